package io.turnkeeper.snapshot;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A manifest as its row holds it. It mostly says what the one before said, in names that cannot be
 * compressed; so it is stored as what differs from an earlier one, its base, which is a chunk like
 * any other. Never more than one step: a base stands by itself.
 *
 * @param row what the snapshot's row holds
 * @param base what it is a difference from; null when it stands by itself
 * @param fresh whether the base is to be stored with it
 */
record StoredManifest(byte[] row, @Nullable Base base, boolean fresh) {
  private static final byte WHOLE = 1;
  private static final byte DIFFERENCE = 2;
  private static final int LEVEL = 6;

  /** A manifest that is smaller than this needs no base. */
  private static final int SMALL = 600;

  /** Far above what the most files need: a stored number is not trusted with memory. */
  private static final int BYTES_MAX = 256 * 1024 * 1024;

  record Base(Hash hash, byte[] plain) {
    static Base of(byte[] plain) {
      return new Base(Hash.of(plain, 0, plain.length), plain);
    }
  }

  static StoredManifest of(Manifest manifest, @Nullable Base base) {
    byte[] plain = manifest.encode();
    byte[] whole = Zstd.compress(plain, LEVEL);
    if (whole.length < SMALL) {
      byte[] row =
          ByteBuffer.allocate(5 + whole.length).put(WHOLE).putInt(plain.length).put(whole).array();
      return new StoredManifest(row, null, false);
    }
    if (base != null) {
      byte[] difference = difference(plain, base);
      // A new base costs the whole; the difference grows by what was added since the last one.
      if (difference.length < Math.max(SMALL / 2, whole.length / 4)) {
        return new StoredManifest(row(plain, base, difference), base, false);
      }
    }
    Base made = Base.of(plain);
    return new StoredManifest(row(plain, made, difference(plain, made)), made, true);
  }

  private static byte[] row(byte[] plain, Base base, byte[] difference) {
    return ByteBuffer.allocate(9 + Hash.BYTES + difference.length)
        .put(DIFFERENCE)
        .putInt(plain.length)
        .putInt(base.plain().length)
        .put(base.hash().value())
        .put(difference)
        .array();
  }

  private static byte[] difference(byte[] plain, Base base) {
    try (ZstdCompressCtx context = new ZstdCompressCtx()) {
      return context.setLevel(LEVEL).loadDict(base.plain()).compress(plain);
    }
  }

  record Opened(Manifest manifest, @Nullable Base base) {}

  /** The name of the base of what a row holds. */
  static Optional<Hash> baseOf(byte[] row) {
    return row.length >= 9 + Hash.BYTES && row[0] == DIFFERENCE
        ? Optional.of(new Hash(java.util.Arrays.copyOfRange(row, 9, 9 + Hash.BYTES)))
        : Optional.empty();
  }

  /**
   * @param bases gives a base's chunk as it is stored
   * @throws CorruptSnapshot when it cannot be read
   */
  static Opened open(byte[] row, Function<Hash, byte[]> bases) {
    try {
      ByteBuffer in = ByteBuffer.wrap(row);
      byte kind = in.get();
      int length = length(in);
      return switch (kind) {
        case WHOLE -> new Opened(Manifest.decode(Zstd.decompress(rest(in), length)), null);
        case DIFFERENCE -> {
          int size = length(in);
          byte[] name = new byte[Hash.BYTES];
          in.get(name);
          Hash hash = new Hash(name);
          Base base =
              new Base(hash, Chunks.unpack(bases.apply(hash), new Manifest.Chunk(hash, size)));
          try (ZstdDecompressCtx context = new ZstdDecompressCtx()) {
            byte[] plain = context.loadDict(base.plain()).decompress(rest(in), length);
            yield new Opened(Manifest.decode(plain), base);
          }
        }
        default -> throw new CorruptSnapshot("a manifest of an unknown form");
      };
    } catch (BufferUnderflowException | ZstdException broken) {
      throw new CorruptSnapshot("a manifest that cannot be read");
    }
  }

  private static int length(ByteBuffer in) {
    int length = in.getInt();
    if (length < 0 || length > BYTES_MAX) {
      throw new CorruptSnapshot("a manifest of an impossible size");
    }
    return length;
  }

  private static byte[] rest(ByteBuffer in) {
    byte[] rest = new byte[in.remaining()];
    in.get(rest);
    return rest;
  }
}
