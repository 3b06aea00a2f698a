package io.turnkeeper.base;

import java.time.Instant;

/** Time as an input. Deadlines use {@link #nanos}; {@link #now} is only for people to read. */
public interface Clock {
  /** The wall clock. May jump either way. */
  Instant now();

  /** A monotonic count of nanoseconds, of which only differences mean anything. */
  long nanos();

  /** The machine's clock. */
  static Clock system() {
    return SystemClock.INSTANCE;
  }
}
