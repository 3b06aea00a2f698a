package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Manifest.Extent;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.util.Enumeration;
import java.util.Iterator;

/** Reads a snapshot without making its files anywhere. */
final class Contents {
  private final Manifest manifest;
  private final ChunkWindow chunks;

  Contents(Manifest manifest, Restoration.Source source) {
    this.manifest = manifest;
    this.chunks = new ChunkWindow(manifest, source);
  }

  void show(Snapshots.Visitor visitor) {
    for (Manifest.Entry entry : manifest.entries()) {
      switch (entry) {
        case Manifest.Directory directory ->
            visitor.entry(
                new SavedFile(
                    directory.path(), SavedFile.Kind.DIRECTORY, directory.mode(), null, 0, 0),
                InputStream.nullInputStream());
        case Manifest.Link link ->
            visitor.entry(
                new SavedFile(link.path(), SavedFile.Kind.LINK, 0, link.target(), 0, 0),
                InputStream.nullInputStream());
        case Manifest.Regular file ->
            visitor.entry(
                new SavedFile(
                    file.path(),
                    SavedFile.Kind.FILE,
                    file.mode(),
                    null,
                    file.modified(),
                    file.size()),
                content(file));
      }
    }
  }

  /** A piece at a time. */
  private InputStream content(Manifest.Regular file) {
    Iterator<Extent> left = file.extents().iterator();
    return new SequenceInputStream(
        new Enumeration<>() {
          @Override
          public boolean hasMoreElements() {
            return left.hasNext();
          }

          @Override
          public InputStream nextElement() {
            return piece(left.next());
          }
        });
  }

  private InputStream piece(Extent extent) {
    return new ByteArrayInputStream(chunks.chunk(extent.chunk()), extent.offset(), extent.length());
  }
}
