package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import java.time.Duration;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Drives a step: at once when nudged, and otherwise every so often. A step that fails is logged and
 * tried again later.
 */
final class Ticker implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Ticker.class);
  private static final Duration CLOSE_WAIT = Duration.ofSeconds(10);

  /** One step. True when it should be taken again at once. */
  interface Step {
    boolean take();
  }

  private final String name;
  private final Duration every;
  private final Step step;
  private final Clock clock;
  private final Thread thread;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition nudged = lock.newCondition();
  private boolean wanted;
  private boolean closing;

  Ticker(String name, Duration every, Clock clock, Step step) {
    this.name = name;
    this.every = every;
    this.clock = clock;
    this.step = step;
    this.thread = Thread.ofPlatform().name(name).daemon().unstarted(this::run);
  }

  Ticker start() {
    thread.start();
    return this;
  }

  void nudge() {
    lock.lock();
    try {
      wanted = true;
      nudged.signalAll();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      nudged.signalAll();
    } finally {
      lock.unlock();
    }
    try {
      // One that never started has nothing to wait for.
      if (thread.isAlive()) {
        thread.join(CLOSE_WAIT);
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    boolean again = true;
    while (await(again)) {
      try {
        again = step.take();
      } catch (io.turnkeeper.base.Refusal.Unavailable away) {
        log.debug("{}: the database is away", name);
        again = false;
      } catch (RuntimeException failed) {
        log.warn("{}: a step failed", name, failed);
        again = false;
      }
    }
  }

  /** Waits for a nudge or the next time; false when it is over. */
  private boolean await(boolean atOnce) {
    lock.lock();
    try {
      long until = clock.nanos() + every.toNanos();
      long left = every.toNanos();
      while (!atOnce && !wanted && !closing && left > 0) {
        nudged.awaitNanos(left);
        left = until - clock.nanos();
      }
      wanted = false;
      return !closing;
    } catch (InterruptedException stopping) {
      return false;
    } finally {
      lock.unlock();
    }
  }
}
