package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Manifest.Entry;
import io.turnkeeper.snapshot.Manifest.Extent;
import io.turnkeeper.snapshot.Seen.FileSeen;
import io.turnkeeper.snapshot.Tree.Stat;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes the files of a manifest under an emptied root. Every file and directory is made anew and
 * links come last, so that nothing is ever written through a link; names that would leave the root
 * are refused before anything is touched.
 */
final class Restoration {
  private static final Set<PosixFilePermission> OPEN = PosixFilePermissions.fromString("rwx------");

  interface Source {
    Map<Hash, byte[]> stored(Collection<Hash> names);
  }

  private final Path root;
  private final Manifest manifest;
  private final ChunkWindow chunks;
  private final Map<String, FileSeen> seen = new HashMap<>();
  private final long startedMillis = System.currentTimeMillis();

  Restoration(Path root, Manifest manifest, Source source) {
    this.root = root;
    this.manifest = manifest;
    this.chunks = new ChunkWindow(manifest, source);
  }

  /**
   * @throws CorruptSnapshot when the manifest or a chunk cannot be trusted
   */
  Seen run() throws IOException {
    for (Entry entry : manifest.entries()) {
      check(entry);
    }
    Files.createDirectories(root);
    empty(root);
    List<Manifest.Regular> files = new ArrayList<>();
    for (Entry entry : manifest.entries()) {
      switch (entry) {
        case Manifest.Directory directory -> Files.createDirectory(at(directory));
        case Manifest.Regular file -> files.add(file);
        case Manifest.Link link -> {}
      }
    }
    // In the order of the chunks, so that each is fetched about once.
    files.sort(java.util.Comparator.comparingInt(Restoration::first));
    for (Manifest.Regular file : files) {
      write(file);
    }
    for (Entry entry : manifest.entries()) {
      if (entry instanceof Manifest.Link link) {
        Files.createSymbolicLink(at(link), Path.of(link.target()));
      }
    }
    for (Entry entry : manifest.entries().reversed()) {
      if (entry instanceof Manifest.Directory directory) {
        permit(at(directory), directory.mode());
      }
    }
    return new Seen(manifest, null, Map.copyOf(seen));
  }

  private static void check(Entry entry) {
    if (!Paths.inside(entry.path())) {
      throw new CorruptSnapshot("a name that leads out of the root");
    }
    if (entry instanceof Manifest.Link link && !Paths.inside(link.path(), link.target())) {
      throw new CorruptSnapshot("a link that leads out of the root");
    }
  }

  private Path at(Entry entry) {
    return root.resolve(entry.path());
  }

  private static int first(Manifest.Regular file) {
    return file.extents().isEmpty() ? -1 : file.extents().getFirst().chunk();
  }

  private void write(Manifest.Regular file) throws IOException {
    Path at = at(file);
    MessageDigest digest = Hash.digest();
    try (OutputStream out =
        Files.newOutputStream(
            at,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS)) {
      for (Extent extent : file.extents()) {
        byte[] chunk = chunks.chunk(extent.chunk());
        out.write(chunk, extent.offset(), extent.length());
        digest.update(chunk, extent.offset(), extent.length());
      }
    }
    Files.setLastModifiedTime(at, FileTime.fromMillis(file.modified()));
    permit(at, file.mode());
    Hash content = file.size() <= Cutter.SMALL ? Hash.of(digest) : null;
    seen.put(file.path(), new FileSeen(Stat.of(at), content, startedMillis));
  }

  private static void permit(Path path, int mode) throws IOException {
    Files.setPosixFilePermissions(path, permissions(mode));
  }

  private static Set<PosixFilePermission> permissions(int mode) {
    StringBuilder text = new StringBuilder("rwxrwxrwx");
    for (int i = 0; i < 9; i++) {
      if ((mode >> (8 - i) & 1) == 0) {
        text.setCharAt(i, '-');
      }
    }
    return PosixFilePermissions.fromString(text.toString());
  }

  /** Removes everything in the directory, also what the agent made read-only; follows no link. */
  static void empty(Path root) throws IOException {
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
              throws IOException {
            Files.setPosixFilePermissions(directory, OPEN);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failed) throws IOException {
            // A directory that could not be opened before its permissions were set.
            if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
              Files.setPosixFilePermissions(file, OPEN);
              empty(file);
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }
            throw failed;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failed)
              throws IOException {
            if (failed != null) {
              throw failed;
            }
            if (!directory.equals(root)) {
              Files.deleteIfExists(directory);
            }
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
