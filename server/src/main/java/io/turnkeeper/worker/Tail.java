package io.turnkeeper.worker;

import java.nio.charset.StandardCharsets;

/** The end of what a process wrote to stderr, without its secrets. */
final class Tail {
  private final Secrets secrets;
  private final int bytesMax;
  private final byte[] ring;
  private long written;

  Tail(int bytesMax, Secrets secrets) {
    this.secrets = secrets;
    this.bytesMax = bytesMax;
    // Room for one whole secret more, so that none is cut in half and shown.
    int longest =
        secrets.values().stream()
            .mapToInt(s -> s.getBytes(StandardCharsets.UTF_8).length)
            .max()
            .orElse(0);
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
    return secrets.redact(Plain.text(text));
  }
}
