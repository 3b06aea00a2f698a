package io.turnkeeper.cluster;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.cluster.News.Kind;
import io.turnkeeper.db.Db;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one place that sends notifications. A NOTIFY takes a lock that is global to the database when
 * its transaction commits, so work never carries one: news are gathered here, each once, and go out
 * together in a transaction of their own that waits for no disk.
 */
final class Notifier implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Notifier.class);

  /** What all replicas of a database listen to. */
  static final String CHANNEL = "turnkeeper";

  /** PostgreSQL takes less than 8,000 bytes in one notification. */
  private static final int PAYLOAD_MAX = 7_900;

  /** Between two sendings: what comes meanwhile is gathered. */
  private static final Duration WINDOW = Duration.ofMillis(2);

  private static final Duration STOP_MAX = Duration.ofSeconds(2);
  private static final int RADIX = 36;

  private final Db db;
  private final IntSupplier me;
  private final BooleanSupplier audience;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition more = lock.newCondition();
  private final Thread thread;
  private Set<News> gathered = new LinkedHashSet<>();
  private boolean closing;

  /**
   * @param me the id under which this replica speaks
   * @param audience whether anybody else listens; when not, nothing is sent
   */
  Notifier(Db db, IntSupplier me, BooleanSupplier audience) {
    this.db = db;
    this.me = me;
    this.audience = audience;
    this.thread = Thread.ofPlatform().name("cluster-notifier").daemon().unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /** Sends it soon. Never waits. */
  void tell(News news) {
    if (!audience.getAsBoolean()) {
      return;
    }
    lock.lock();
    try {
      if (gathered.add(news)) {
        more.signal();
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      more.signal();
    } finally {
      lock.unlock();
    }
    try {
      if (thread.getState() != Thread.State.NEW) {
        thread.join(STOP_MAX);
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    for (Set<News> batch = take(); !batch.isEmpty(); batch = take()) {
      send(batch);
      LockSupport.parkNanos(WINDOW.toNanos());
    }
  }

  /** Sends what has gathered, if anything has. */
  void step() {
    Set<News> batch;
    lock.lock();
    try {
      batch = gathered;
      gathered = new LinkedHashSet<>();
    } finally {
      lock.unlock();
    }
    if (!batch.isEmpty()) {
      send(batch);
    }
  }

  private void send(Set<News> batch) {
    try {
      send(payloads(me.getAsInt(), batch));
    } catch (Refusal.Unavailable away) {
      log.debug("the database is away: {} news are not told", batch.size());
    } catch (RuntimeException failed) {
      log.warn("telling the other replicas failed", failed);
    }
  }

  /** Waits for news; none means that this is over. */
  private Set<News> take() {
    lock.lock();
    try {
      while (gathered.isEmpty() && !closing) {
        more.await();
      }
      Set<News> batch = gathered;
      gathered = new LinkedHashSet<>();
      return batch;
    } catch (InterruptedException stopping) {
      return Set.of();
    } finally {
      lock.unlock();
    }
  }

  private void send(List<String> payloads) {
    db.useTx(tx ->
        tx.query(ClusterSql.NOTIFY)
            .bind("channel", CHANNEL)
            .bindArray("payloads", String.class, payloads)
            .mapTo(Integer.class)
            .one());
  }

  /** {@code <replica>:<letter><key>,<letter><key>…}, in as many pieces as it takes. */
  static List<String> payloads(int me, Set<News> batch) {
    List<String> payloads = new ArrayList<>();
    String head = me + ":";
    StringBuilder text = new StringBuilder(head);
    for (News news : batch) {
      String word = news.kind().letter() + Long.toString(news.conversationKey(), RADIX);
      if (text.length() + word.length() + 1 > PAYLOAD_MAX) {
        payloads.add(text.toString());
        text = new StringBuilder(head);
      }
      text.append(text.length() == head.length() ? "" : ",").append(word);
    }
    payloads.add(text.toString());
    return payloads;
  }

  /** What another replica told; nothing for what this one told itself, or for what is not ours. */
  static List<News> heard(int me, String payload) {
    int colon = payload.indexOf(':');
    if (colon < 0 || payload.substring(0, colon).equals(Integer.toString(me))) {
      return List.of();
    }
    List<News> all = new ArrayList<>();
    for (String word : payload.substring(colon + 1).split(",", -1)) {
      for (Kind kind : Kind.values()) {
        if (!word.isEmpty() && word.charAt(0) == kind.letter()) {
          try {
            all.add(new News(kind, Long.parseLong(word, 1, word.length(), RADIX)));
          } catch (NumberFormatException foreign) {
            log.debug("not understood: {}", word);
          }
        }
      }
    }
    return all;
  }
}
