package io.turnkeeper.sim;

import io.turnkeeper.base.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;

/** One process's view of the simulated time: its wall clock may be off by any amount. */
final class SimClock implements Clock {
  private final SimProcess process;
  private final Duration skew;

  SimClock(SimProcess process, Duration skew) {
    this.process = process;
    this.skew = skew;
  }

  @Override
  public Instant now() {
    return Engine.START.plusNanos(process.engine().nanos()).plus(skew);
  }

  @Override
  public long nanos() {
    return process.engine().nanos();
  }

  @Override
  public void after(Duration delay, Runnable task) {
    Engine engine = process.engine();
    engine.add(new Engine.Timer(engine.nanos() + delay.toNanos(), process, task));
  }

  @Override
  public long await(Lock lock, Condition news, long nanos) throws InterruptedException {
    Engine engine = process.engine();
    long until = engine.nanos() + nanos;
    Engine.Timer timer =
        new Engine.Timer(
            until,
            process,
            () -> {
              lock.lock();
              try {
                news.signalAll();
              } finally {
                lock.unlock();
              }
            });
    engine.add(timer);
    try {
      news.await();
    } finally {
      engine.remove(timer);
    }
    return until - engine.nanos();
  }
}
