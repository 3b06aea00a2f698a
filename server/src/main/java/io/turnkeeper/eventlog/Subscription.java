package io.turnkeeper.eventlog;

import java.time.Duration;

/**
 * Tells a reader that there may be something new. Subscribe first, then read, then wait: nothing
 * falls between.
 */
public sealed interface Subscription extends AutoCloseable permits Wakeups.Waiting {
  /** Waits for news since the last call; true when there was some, false when the time is over. */
  boolean await(Duration atMost) throws InterruptedException;

  @Override
  void close();
}
