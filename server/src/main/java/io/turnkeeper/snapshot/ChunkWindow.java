package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Manifest.Chunk;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/** The chunks of a manifest, fetched some at a time: files mostly lie in their order. */
final class ChunkWindow {
  /** Fetched at once and held: at most this many times a chunk's largest size. */
  private static final int WINDOW = 256;

  private final Manifest manifest;
  private final Restoration.Source source;
  private final LinkedHashMap<Integer, byte[]> held = new LinkedHashMap<>();

  ChunkWindow(Manifest manifest, Restoration.Source source) {
    this.manifest = manifest;
    this.source = source;
  }

  /**
   * @throws CorruptSnapshot when it is gone, or not what its name says
   */
  byte[] chunk(int index) {
    byte[] data = held.get(index);
    return data == null ? fetch(index) : data;
  }

  private byte[] fetch(int index) {
    held.clear();
    int end = Math.min(manifest.chunks().size(), index + WINDOW);
    List<Chunk> wanted = manifest.chunks().subList(index, end);
    Map<Hash, byte[]> stored =
        source.stored(new LinkedHashSet<>(wanted.stream().map(Chunk::hash).toList()));
    for (int i = index; i < end; i++) {
      Chunk chunk = manifest.chunks().get(i);
      byte[] packed = stored.get(chunk.hash());
      if (packed == null) {
        throw new CorruptSnapshot("a chunk that is gone");
      }
      held.put(i, Chunks.unpack(packed, chunk));
    }
    byte[] data = held.get(index);
    if (data == null) {
      throw new IllegalStateException("fetched, and not there");
    }
    return data;
  }
}
