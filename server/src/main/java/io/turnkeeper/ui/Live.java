package io.turnkeeper.ui;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.eventlog.Subscription;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.SseStream;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A page that stays as new as the data while somebody looks at it: its parts are made again when
 * there may be news, and those that came out differently are sent. Who comes back, here or at
 * another replica, gets all parts. Nothing runs while nobody looks.
 */
final class Live {
  private static final Duration COME_BACK = Duration.ofMillis(500);
  private static final Duration HEARTBEAT = Duration.ofSeconds(4);

  /** How often pages are made again whose news nobody tells. */
  private static final Duration LOOK = Duration.ofSeconds(1);

  /** A reply that streams is shown so often, at most. */
  private static final Duration AT_MOST = Duration.ofMillis(100);

  private final Signing signing;
  private final Clock clock;

  Live(Signing signing, Clock clock) {
    this.signing = signing;
    this.clock = clock;
  }

  /** A page's parts as they are now: HTML by the id of its outermost element, in order. */
  @FunctionalInterface
  interface Parts {
    Map<String, String> now();
  }

  /**
   * Sends what changes until the browser leaves.
   *
   * @param news when to look; null is once a second
   */
  void stream(Exchange exchange, Parts parts, @Nullable Subscription news)
      throws InterruptedException {
    SseStream out = exchange.sse();
    out.retryAfter(COME_BACK);
    ReentrantLock lock = new ReentrantLock();
    Condition closed = lock.newCondition();
    out.onClose(() -> {
      lock.lock();
      try {
        closed.signalAll();
      } finally {
        lock.unlock();
      }
    });
    Map<String, String> sent = new HashMap<>();
    long beatAt = clock.nanos() + HEARTBEAT.toNanos();
    while (out.isOpen()) {
      boolean wrote = send(out, parts, sent);
      if (clock.nanos() >= beatAt) {
        if (!signing.stillIn(exchange)) {
          out.sendText("over", "over");
          out.end();
          return;
        }
        out.heartbeat();
        beatAt = clock.nanos() + HEARTBEAT.toNanos();
      }
      pause(lock, closed, wrote || news == null ? AT_MOST : Duration.ZERO, out);
      if (news == null) {
        pause(lock, closed, LOOK.minus(AT_MOST), out);
      } else {
        news.await(LOOK);
      }
    }
  }

  private static boolean send(SseStream out, Parts parts, Map<String, String> sent) {
    Map<String, String> now;
    try {
      now = parts.now();
    } catch (Refusal.Unavailable away) {
      // The database is away: what is shown stays until it is back.
      return false;
    } catch (Refusal.NotFound gone) {
      out.sendText("gone", "gone");
      return false;
    }
    boolean wrote = false;
    for (Map.Entry<String, String> part : now.entrySet()) {
      if (!part.getValue().equals(sent.put(part.getKey(), part.getValue()))) {
        out.sendText("part", part.getValue());
        wrote = true;
      }
    }
    return wrote;
  }

  private static void pause(ReentrantLock lock, Condition closed, Duration time, SseStream out)
      throws InterruptedException {
    lock.lock();
    try {
      long left = time.toNanos();
      while (left > 0 && out.isOpen()) {
        left = closed.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }
}
