package io.turnkeeper.bench;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/**
 * Sends at a steady rate whatever becomes of what was sent before, and counts each time from when
 * it was to be sent: a system that stalls does not get away with it.
 */
final class OpenLoop {
  private static final long MAX_MICROS = TimeUnit.MINUTES.toMicros(10);
  private static final int DIGITS = 3;

  /** Sends one. */
  interface Send {
    /**
     * @param intendedNanos when it was to be sent
     */
    void send(int number, long intendedNanos);
  }

  private OpenLoop() {}

  /** A histogram of microseconds that threads may share. */
  static Histogram histogram() {
    return new ConcurrentHistogram(MAX_MICROS, DIGITS);
  }

  static void note(Histogram histogram, long sinceNanos) {
    long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - sinceNanos);
    histogram.recordValue(Math.clamp(micros, 0, MAX_MICROS));
  }

  static double millis(Histogram histogram, double percentile) {
    return histogram.getValueAtPercentile(percentile) / 1_000.0;
  }

  /** Returns when all have been sent. */
  static void run(int perSecond, int seconds, Send send) {
    long between = TimeUnit.SECONDS.toNanos(1) / perSecond;
    long start = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(20);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < perSecond * seconds; i++) {
        int number = i;
        long intended = start + number * between;
        for (long left = intended - System.nanoTime(); left > 0; ) {
          LockSupport.parkNanos(left);
          left = intended - System.nanoTime();
        }
        threads.execute(() -> send.send(number, intended));
      }
    }
  }
}
