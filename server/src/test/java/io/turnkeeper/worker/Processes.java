package io.turnkeeper.worker;

import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Waiting for real processes. */
final class Processes {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  private Processes() {}

  static void await(BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + DEADLINE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("not within " + DEADLINE);
      }
      Thread.sleep(10); // nobody tells about another process
    }
  }

  /** Waits until the process is gone, or only a zombie is left of it. */
  static void awaitGone(long pid) throws InterruptedException {
    long deadline = System.nanoTime() + DEADLINE.toNanos();
    while (ProcessTable.find(pid).isPresent()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("process " + pid + " is still there after " + DEADLINE);
      }
      Thread.sleep(5); // nobody tells about the end of a process that is not a child
    }
  }
}
