package io.turnkeeper.eventlog;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Who waits for news of which conversation. A wake-up is a hint: to lose or double one changes
 * latency, never content.
 */
final class Wakeups {
  private final Map<Long, Set<Waiting>> waiting = new ConcurrentHashMap<>();

  Waiting subscribe(long conversationKey) {
    Waiting subscriber = new Waiting(conversationKey);
    waiting.compute(
        conversationKey,
        (key, all) -> {
          Set<Waiting> set = all == null ? ConcurrentHashMap.newKeySet() : all;
          set.add(subscriber);
          return set;
        });
    return subscriber;
  }

  void wake(long conversationKey) {
    Set<Waiting> all = waiting.get(conversationKey);
    if (all != null) {
      all.forEach(Waiting::wake);
    }
  }

  void wakeAll() {
    waiting.values().forEach(all -> all.forEach(Waiting::wake));
  }

  final class Waiting implements Subscription {
    private final long conversationKey;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition news = lock.newCondition();
    private boolean woken;

    private Waiting(long conversationKey) {
      this.conversationKey = conversationKey;
    }

    @Override
    public boolean await(Duration atMost) throws InterruptedException {
      lock.lock();
      try {
        long left = atMost.toNanos();
        while (!woken && left > 0) {
          left = news.awaitNanos(left);
        }
        boolean was = woken;
        woken = false;
        return was;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void close() {
      waiting.computeIfPresent(
          conversationKey,
          (key, all) -> {
            all.remove(this);
            return all.isEmpty() ? null : all;
          });
    }

    private void wake() {
      lock.lock();
      try {
        woken = true;
        news.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  /** For tests and gauges. */
  int subscribers() {
    return waiting.values().stream().mapToInt(Set::size).sum();
  }
}
