package io.turnkeeper.bench;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Looks whether each conversation's turns come one at a time and in the order of their numbers. */
final class Order {
  private final ConcurrentHashMap<String, Integer> last = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Boolean> running = new ConcurrentHashMap<>();
  private final AtomicInteger broken = new AtomicInteger();

  void starts(String conversation, int number) {
    Integer before = last.put(conversation, number);
    if (number != (before == null ? 0 : before + 1)
        || running.put(conversation, true) instanceof Boolean) {
      broken.incrementAndGet();
    }
  }

  void ends(String conversation) {
    running.remove(conversation);
  }

  boolean kept() {
    return broken.get() == 0;
  }
}
