package io.turnkeeper.base;

import java.util.Optional;
import java.util.UUID;

/** One turn of a conversation. A UUIDv7, so that ids sort by creation and name their partition. */
public record RunId(UUID value) {

  /** A new id, ordered after those made in earlier milliseconds. */
  public static RunId next() {
    return new RunId(Uuid7.next());
  }

  /** The id that the text holds, or empty when it is not a UUID: no such run can exist. */
  public static Optional<RunId> parse(String text) {
    return Uuid7.parse(text).map(RunId::new);
  }

  @Override
  public String toString() {
    return value.toString();
  }
}
