package io.turnkeeper.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.HdrHistogram.Histogram;

/** Callers that each send the next one when they have the answer to the last. */
final class ClosedLoop {
  private ClosedLoop() {}

  /**
   * @param perSecond answers
   * @param millis from a call to its answer
   */
  record Outcome(double perSecond, Histogram millis) {}

  static Outcome run(int callers, int calls, IntConsumer call) {
    Histogram histogram = OpenLoop.histogram();
    AtomicInteger next = new AtomicInteger();
    List<Thread> threads = new ArrayList<>();
    long start = System.nanoTime();
    for (int i = 0; i < callers; i++) {
      threads.add(
          Thread.ofVirtual()
              .start(() -> {
                for (int n = next.getAndIncrement(); n < calls; n = next.getAndIncrement()) {
                  long since = System.nanoTime();
                  call.accept(n);
                  OpenLoop.note(histogram, since);
                }
              }));
    }
    Threads.join(threads);
    return new Outcome(calls * 1e9 / (System.nanoTime() - start), histogram);
  }
}
