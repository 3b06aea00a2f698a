package io.turnkeeper.tenancy;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Refusal;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Wrong keys, by the address that they come from. Past a few in a minute the answer is to come back
 * later; a right key is never held up by them.
 */
final class Attempts {
  private static final int FREE = 10;
  private static final Duration WINDOW = Duration.ofMinutes(1);
  private static final int ADDRESSES_MAX = 10_000;

  private static final class Wrong {
    private long since;
    private int count;
  }

  private final Clock clock;
  private final Map<String, Wrong> byAddress =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Wrong> eldest) {
          return size() > ADDRESSES_MAX;
        }
      };

  Attempts(Clock clock) {
    this.clock = clock;
  }

  /**
   * One more wrong key.
   *
   * @throws Refusal.Limited past the free ones, in place of saying that the key is wrong
   */
  void wrong(String address) {
    long now = clock.nanos();
    synchronized (byAddress) {
      Wrong wrong = byAddress.computeIfAbsent(address, any -> new Wrong());
      if (wrong.count == 0 || now - wrong.since > WINDOW.toNanos()) {
        wrong.since = now;
        wrong.count = 0;
      }
      wrong.count++;
      if (wrong.count > FREE) {
        throw new Refusal.Limited(
            "too_many_attempts",
            "too many wrong keys from this address; wait, then send the right one",
            Duration.ofNanos(WINDOW.toNanos() - (now - wrong.since)));
      }
    }
  }
}
