package io.turnkeeper.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * A server-sent event stream, read one event at a time. For one thread; {@link #close} may come
 * from another.
 */
final class EventStream implements AutoCloseable {
  private final BufferedReader lines;
  private final Optional<String> location;

  EventStream(InputStream body, Optional<String> location) {
    this.lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8));
    this.location = location;
  }

  /**
   * @param id empty when the event carries none
   */
  record Event(String name, String data, String id) {}

  /** Where to join this stream again: a path. */
  Optional<String> location() {
    return location;
  }

  /**
   * Waits for the next event; comments are skipped. Empty at the end of the stream.
   *
   * @throws IOException when the connection is lost
   */
  Optional<Event> next() throws IOException {
    String name = "";
    String id = "";
    StringBuilder data = new StringBuilder();
    String line;
    while ((line = lines.readLine()) != null) {
      if (line.isEmpty()) {
        if (!name.isEmpty() || !data.isEmpty()) {
          return Optional.of(new Event(name, data.toString(), id));
        }
        continue;
      }
      int colon = line.indexOf(':');
      String field = colon < 0 ? line : line.substring(0, colon);
      String value = colon < 0 ? "" : line.substring(colon + 1);
      value = value.startsWith(" ") ? value.substring(1) : value;
      switch (field) {
        case "event" -> name = value;
        case "id" -> id = value;
        case "data" -> data.append(data.isEmpty() ? "" : "\n").append(value);
        default -> {
          // A comment, or a field of a later version.
        }
      }
    }
    return Optional.empty();
  }

  @Override
  public void close() {
    try {
      lines.close();
    } catch (IOException alreadyGone) {
      // Nothing is lost: every event that was seen has been handled.
    }
  }
}
