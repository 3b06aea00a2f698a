package io.turnkeeper.snapshot;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.exc.UnexpectedEndOfInputException;

/**
 * Transcripts that agents keep as one JSON value a line. One whose last line was cut short, by a
 * kill or a full disk, makes some agents come back with no memory at all; all that is before that
 * line is worth keeping.
 */
final class JsonLines {
  /** A longer last line is left as it is: it is not read just to judge it. */
  private static final int LINE_MAX = 16 * 1024 * 1024;

  private static final int BLOCK = 64 * 1024;

  private JsonLines() {}

  static boolean is(Path file) {
    String name = file.toString();
    return name.endsWith(".jsonl") || name.endsWith(".ndjson");
  }

  /**
   * How many of the file's first {@code size} bytes to keep: all of them, or those before a last
   * line that is the beginning of a JSON value, or nothing but the zeros of a crash. A last line
   * that is whole and lacks only its end of line stays, and so does what was never JSON.
   */
  static long whole(Path file, long size) throws IOException {
    try (SeekableByteChannel channel =
        Files.newByteChannel(file, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS))) {
      long start = lastLine(channel, size);
      if (start == size || size - start > LINE_MAX) {
        return size;
      }
      byte[] line = read(channel, start, (int) (size - start));
      return isCut(line) ? start : size;
    }
  }

  /** Where the last line begins; the size, when the file ends with an end of line. */
  private static long lastLine(SeekableByteChannel channel, long size) throws IOException {
    long until = size;
    while (until > 0 && size - until <= LINE_MAX) {
      long from = Math.max(0, until - BLOCK);
      byte[] block = read(channel, from, (int) (until - from));
      for (int i = block.length - 1; i >= 0; i--) {
        if (block[i] == '\n') {
          return from + i + 1;
        }
      }
      until = from;
    }
    return until;
  }

  private static byte[] read(SeekableByteChannel channel, long from, int length)
      throws IOException {
    ByteBuffer into = ByteBuffer.allocate(length);
    channel.position(from);
    while (into.hasRemaining() && channel.read(into) >= 0) {
      // Until it is full, or the file is shorter than it was.
    }
    byte[] read = new byte[into.position()];
    into.flip().get(read);
    return read;
  }

  private static boolean isCut(byte[] line) {
    int zeros = 0;
    while (zeros < line.length && line[line.length - 1 - zeros] == 0) {
      zeros++;
    }
    String text = new String(line, 0, line.length - zeros, StandardCharsets.UTF_8);
    if (text.isBlank()) {
      return zeros > 0;
    }
    try {
      Json.parse(text);
      return zeros > 0;
    } catch (UnexpectedEndOfInputException cut) {
      return true;
    } catch (JacksonException notJson) {
      return false;
    }
  }
}
