package io.turnkeeper.worker;

import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** The end of what a process wrote to stderr, without its secrets. */
final class Tail {
  /**
   * From the length of a PIN on. Shorter values (flags, small numbers) would be guessed at once,
   * and blot out parts of ordinary words.
   */
  private static final int SECRET_CHARS_MIN = 4;

  private final List<String> secrets;
  private final int bytesMax;
  private final byte[] ring;
  private long written;

  Tail(int bytesMax, Collection<String> environmentValues) {
    secrets =
        environmentValues.stream()
            .filter(value -> value.length() >= SECRET_CHARS_MIN)
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
    this.bytesMax = bytesMax;
    // Room for one whole secret more, so that none is cut in half and shown.
    int longest =
        secrets.stream().mapToInt(s -> s.getBytes(StandardCharsets.UTF_8).length).max().orElse(0);
    ring = new byte[bytesMax + longest];
  }

  synchronized void write(byte[] bytes, int length) {
    for (int i = Math.max(0, length - ring.length); i < length; i++) {
      ring[(int) ((written + i) % ring.length)] = bytes[i];
    }
    written += length;
  }

  /** The tail as text, secrets replaced, at most the limit in characters. */
  String text() {
    byte[] copy;
    synchronized (this) {
      int size = (int) Math.min(written, ring.length);
      copy = new byte[size];
      for (int i = 0; i < size; i++) {
        copy[i] = ring[(int) ((written - size + i) % ring.length)];
      }
    }
    String text = redact(new String(copy, StandardCharsets.UTF_8)).strip();
    return text.length() <= bytesMax ? text : text.substring(text.length() - bytesMax);
  }

  /** The text with the values of the agent's environment replaced, and storable. */
  String redact(String text) {
    String redacted = Plain.text(text);
    for (String secret : secrets) {
      redacted = redacted.replace(secret, "***");
    }
    return redacted;
  }
}
