package io.turnkeeper.base;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;

/** Time as an input. Deadlines use {@link #nanos}; {@link #now} is only for people to read. */
public interface Clock {
  /** The wall clock. May jump either way. */
  Instant now();

  /** A monotonic count of nanoseconds, of which only differences mean anything. */
  long nanos();

  /**
   * Waits for news, at most so long by this clock. May return early for no reason.
   *
   * @param lock held by the caller, and what the condition belongs to
   * @return nanoseconds that are left; zero or less when the time is over
   */
  default long await(Lock lock, Condition news, long nanos) throws InterruptedException {
    return news.awaitNanos(nanos);
  }

  /** Runs the task once so much time has passed, on a thread of its own. */
  default void after(Duration delay, Runnable task) {
    CompletableFuture.delayedExecutor(delay.toNanos(), TimeUnit.NANOSECONDS).execute(task);
  }

  /** The machine's clock. */
  static Clock system() {
    return SystemClock.INSTANCE;
  }
}
