package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Manifest.Chunk;
import io.turnkeeper.snapshot.Manifest.Extent;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Cuts what is written to it into chunks; a chunk may hold pieces of many files, and each file is
 * told where its pieces are.
 */
final class ChunkStream {
  /** Takes a chunk that no earlier one of this snapshot has the content of. */
  interface Sink {
    void chunk(Hash hash, byte[] data);
  }

  /** The chunks of one manifest under construction. */
  static final class Table {
    final List<Chunk> chunks = new ArrayList<>();
    private final Map<Hash, Integer> index = new HashMap<>();
    private final Sink sink;

    Table(Sink sink) {
      this.sink = sink;
    }

    /** The index of a chunk that is stored already. */
    int known(Chunk chunk) {
      return index.computeIfAbsent(
          chunk.hash(),
          hash -> {
            chunks.add(chunk);
            return chunks.size() - 1;
          });
    }

    int add(byte[] data) {
      Hash hash = Hash.of(data, 0, data.length);
      Integer before = index.get(hash);
      if (before != null) {
        return before;
      }
      sink.chunk(hash, data);
      return known(new Chunk(hash, data.length));
    }
  }

  private static final class Piece {
    final List<Extent> owner;
    int length;

    Piece(List<Extent> owner, int length) {
      this.owner = owner;
      this.length = length;
    }
  }

  private final Table table;
  private final byte[] buffer = new byte[2 * Chunker.MAX];
  private final Deque<Piece> pieces = new ArrayDeque<>();
  private int size;

  ChunkStream(Table table) {
    this.table = table;
  }

  /** The bytes belong to the file whose pieces the owner collects. */
  void write(List<Extent> owner, byte[] data, int from, int length) {
    int at = from;
    int rest = length;
    while (rest > 0) {
      int part = Math.min(rest, buffer.length - size);
      System.arraycopy(data, at, buffer, size, part);
      Piece last = pieces.peekLast();
      if (last != null && last.owner == owner) {
        last.length += part;
      } else {
        pieces.add(new Piece(owner, part));
      }
      size += part;
      at += part;
      rest -= part;
      while (size >= Chunker.MAX) {
        cut();
      }
    }
  }

  /** Cuts what is left. */
  void finish() {
    while (size > 0) {
      cut();
    }
  }

  private void cut() {
    int length = Chunker.cut(buffer, 0, size);
    byte[] data = new byte[length];
    System.arraycopy(buffer, 0, data, 0, length);
    System.arraycopy(buffer, length, buffer, 0, size - length);
    size -= length;
    int chunk = table.add(data);
    int offset = 0;
    while (offset < length) {
      Piece piece = pieces.getFirst();
      int part = Math.min(piece.length, length - offset);
      piece.owner.add(new Extent(chunk, offset, part));
      offset += part;
      piece.length -= part;
      if (piece.length == 0) {
        pieces.removeFirst();
      }
    }
  }
}
