package io.turnkeeper.snapshot;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import java.util.Arrays;

/** How a chunk is stored: one byte that says how, then its content. */
final class Chunks {
  private static final byte PLAIN = 0;
  private static final byte ZSTD = 1;
  private static final int LEVEL = 6;

  private Chunks() {}

  static byte[] pack(byte[] data) {
    byte[] packed = Zstd.compress(data, LEVEL);
    boolean smaller = packed.length < data.length;
    byte[] kept = smaller ? packed : data;
    byte[] stored = new byte[kept.length + 1];
    stored[0] = smaller ? ZSTD : PLAIN;
    System.arraycopy(kept, 0, stored, 1, kept.length);
    return stored;
  }

  /**
   * @throws CorruptSnapshot when it is not the content of that name
   */
  static byte[] unpack(byte[] stored, Manifest.Chunk chunk) {
    byte[] data;
    try {
      byte[] kept = Arrays.copyOfRange(stored, Math.min(1, stored.length), stored.length);
      data = stored.length > 0 && stored[0] == ZSTD ? Zstd.decompress(kept, chunk.length()) : kept;
    } catch (ZstdException broken) {
      throw new CorruptSnapshot("a chunk that cannot be read");
    }
    if (data.length != chunk.length() || !Hash.of(data, 0, data.length).equals(chunk.hash())) {
      throw new CorruptSnapshot("a chunk with other content than its name says");
    }
    return data;
  }
}
