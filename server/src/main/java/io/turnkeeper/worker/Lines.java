package io.turnkeeper.worker;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** Reads lines in bounded memory. A line over the limit is skipped, and told. */
final class Lines {
  private static final int BUFFER_BYTES = 32 * 1024;

  private final InputStream in;
  private final int lineBytesMax;
  private final LongConsumer tooLong;
  private final byte[] buffer = new byte[BUFFER_BYTES];
  private int at;
  private int end;

  /**
   * @param tooLong is told the size of each skipped line
   */
  Lines(InputStream in, int lineBytesMax, LongConsumer tooLong) {
    this.in = in;
    this.lineBytesMax = lineBytesMax;
    this.tooLong = tooLong;
  }

  /** The next line without its end; the last one may lack a line feed. Null at the end of input. */
  @Nullable String next() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream(512);
    long size = 0;
    while (true) {
      if (at == end && !fill()) {
        return size == 0 || isTooLong(size) ? null : text(line);
      }
      int stop = at;
      while (stop < end && buffer[stop] != '\n') {
        stop++;
      }
      size += stop - at;
      if (size <= lineBytesMax) {
        line.write(buffer, at, stop - at);
      } else {
        line.reset();
      }
      boolean complete = stop < end;
      at = complete ? stop + 1 : stop;
      if (complete && !isTooLong(size)) {
        return text(line);
      }
      if (complete) {
        line = new ByteArrayOutputStream(512);
        size = 0;
      }
    }
  }

  private boolean isTooLong(long size) {
    if (size > lineBytesMax) {
      tooLong.accept(size);
      return true;
    }
    return false;
  }

  private static String text(ByteArrayOutputStream line) {
    return line.toString(StandardCharsets.UTF_8);
  }

  private boolean fill() throws IOException {
    at = 0;
    end = Math.max(0, in.read(buffer));
    return end > 0;
  }

  /** Whether nothing more has arrived yet. */
  boolean quiet() {
    try {
      return at == end && in.available() == 0;
    } catch (IOException e) {
      return true;
    }
  }
}
