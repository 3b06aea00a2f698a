package io.turnkeeper.snapshot;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * What a snapshot holds: the chunks it needs, and its entries as pieces of them. Parents come
 * before their children.
 */
record Manifest(List<Chunk> chunks, List<Entry> entries) {
  static final Manifest EMPTY = new Manifest(List.of(), List.of());

  record Chunk(Hash hash, int length) {}

  /** A part of a chunk. */
  record Extent(int chunk, int offset, int length) {}

  sealed interface Entry {
    /** Relative to the root, with slashes. */
    String path();
  }

  record Directory(String path, int mode) implements Entry {}

  record Link(String path, String target) implements Entry {}

  /** A file: its permission bits, milliseconds since 1970, and its content in order. */
  record Regular(String path, int mode, long modified, List<Extent> extents) implements Entry {
    long size() {
      return extents.stream().mapToLong(Extent::length).sum();
    }
  }

  int files() {
    return (int) entries.stream().filter(e -> !(e instanceof Directory)).count();
  }

  long bytes() {
    return entries.stream().mapToLong(e -> e instanceof Regular r ? r.size() : 0).sum();
  }

  byte[] encode() {
    Out out = new Out();
    out.number(chunks.size());
    for (Chunk chunk : chunks) {
      out.bytes.writeBytes(chunk.hash().value());
    }
    chunks.forEach(chunk -> out.number(chunk.length()));
    out.number(entries.size());
    String before = "";
    for (Entry entry : entries) {
      int shared = shared(before, entry.path());
      out.number(shared);
      out.text(entry.path().substring(shared));
      before = entry.path();
      switch (entry) {
        case Directory directory -> {
          out.number(0);
          out.number(directory.mode());
        }
        case Link link -> {
          out.number(1);
          out.text(link.target());
        }
        case Regular file -> {
          out.number(2);
          out.number(file.mode());
          out.number(file.modified());
          out.number(file.extents().size());
          extents(out, file.extents());
        }
      }
    }
    return out.bytes.toByteArray();
  }

  /**
   * @throws CorruptSnapshot when the bytes are not a manifest
   */
  static Manifest decode(byte[] plain) {
    try {
      return read(ByteBuffer.wrap(plain));
    } catch (BufferUnderflowException | IndexOutOfBoundsException broken) {
      throw new CorruptSnapshot("a manifest that ends early");
    }
  }

  private static Manifest read(ByteBuffer in) {
    int count = count(in, Hash.BYTES);
    List<Hash> hashes = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      byte[] hash = new byte[Hash.BYTES];
      in.get(hash);
      hashes.add(new Hash(hash));
    }
    List<Chunk> chunks = new ArrayList<>(count);
    for (Hash hash : hashes) {
      long length = number(in);
      if (length < 0 || length > Chunker.MAX) {
        throw new CorruptSnapshot("a chunk of an impossible size");
      }
      chunks.add(new Chunk(hash, (int) length));
    }
    int entries = count(in, 1);
    List<Entry> read = new ArrayList<>(entries);
    String before = "";
    for (int i = 0; i < entries; i++) {
      int shared = count(in, 0);
      before = before.substring(0, shared) + text(in);
      read.add(entry(in, before, chunks));
    }
    return new Manifest(List.copyOf(chunks), List.copyOf(read));
  }

  private static Entry entry(ByteBuffer in, String path, List<Chunk> chunks) {
    int kind = count(in, 0);
    return switch (kind) {
      case 0 -> new Directory(path, count(in, 0));
      case 1 -> new Link(path, text(in));
      case 2 -> {
        int mode = count(in, 0);
        long modified = number(in);
        int size = count(in, 1);
        yield new Regular(path, mode, modified, extents(in, size, chunks));
      }
      default -> throw new CorruptSnapshot("an entry of an unknown kind");
    };
  }

  /** Most follow the one before: then a difference of nothing, which compresses away. */
  private static void extents(Out out, List<Extent> extents) {
    int next = 0;
    for (Extent extent : extents) {
      out.number(extent.chunk() - next);
      out.number(extent.offset());
      out.number(extent.length());
      next = extent.chunk() + 1;
    }
  }

  private static List<Extent> extents(ByteBuffer in, int size, List<Chunk> chunks) {
    List<Extent> extents = new ArrayList<>(size);
    long next = 0;
    for (int i = 0; i < size; i++) {
      long chunk = next + number(in);
      long offset = number(in);
      long length = number(in);
      if (chunk < 0
          || chunk >= chunks.size()
          || offset < 0
          || length < 0
          || offset > chunks.get((int) chunk).length()
          || length > chunks.get((int) chunk).length() - offset) {
        throw new CorruptSnapshot("a file with a piece outside its chunk");
      }
      extents.add(new Extent((int) chunk, (int) offset, (int) length));
      next = chunk + 1;
    }
    return List.copyOf(extents);
  }

  private static int shared(String one, String two) {
    int end = Math.min(one.length(), two.length());
    int at = 0;
    while (at < end && one.charAt(at) == two.charAt(at)) {
      at++;
    }
    // Half a surrogate pair cannot be written as UTF-8.
    return at > 0 && Character.isHighSurrogate(one.charAt(at - 1)) ? at - 1 : at;
  }

  /** A number of things of which each takes at least so many bytes. */
  private static int count(ByteBuffer in, int each) {
    long count = number(in);
    if (count < 0 || count > Integer.MAX_VALUE || count * each > in.remaining()) {
      throw new CorruptSnapshot("a manifest that counts more than it holds");
    }
    return (int) count;
  }

  private static String text(ByteBuffer in) {
    byte[] text = new byte[count(in, 1)];
    in.get(text);
    return new String(text, StandardCharsets.UTF_8);
  }

  /** A zigzag varint. */
  private static long number(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      byte next = in.get();
      value |= (long) (next & 127) << shift;
      if (next >= 0) {
        return value >>> 1 ^ -(value & 1);
      }
    }
    throw new CorruptSnapshot("a number without an end");
  }

  private static final class Out {
    final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    void number(long value) {
      long rest = value << 1 ^ value >> 63;
      while ((rest & ~127L) != 0) {
        bytes.write((int) (rest & 127 | 128));
        rest >>>= 7;
      }
      bytes.write((int) rest);
    }

    void text(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      number(utf8.length);
      bytes.writeBytes(utf8);
    }
  }
}
