package io.turnkeeper.cluster;

import io.turnkeeper.base.Clock;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.PgSession;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one connection that a replica keeps for itself: it holds the advisory lock of the replica's
 * id, so that the database itself notices at once when the process is gone. It is opened again as
 * soon as it breaks.
 */
final class SessionConnection implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(SessionConnection.class);
  private static final Duration RETRY = Duration.ofMillis(100);
  private static final Duration WATCH = Duration.ofMillis(500);
  private static final Duration CONNECT = Duration.ofSeconds(2);

  private final DatabaseUrl url;
  private final int replica;
  private final Clock clock;
  private final Thread thread;
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile long lostSinceNanos;
  private volatile boolean held;
  private volatile @Nullable PgSession connection;

  SessionConnection(DatabaseUrl url, int replica, Clock clock) {
    this.url = url;
    this.replica = replica;
    this.clock = clock;
    this.lostSinceNanos = clock.nanos();
    this.thread = Thread.ofPlatform().name("session-connection").daemon().unstarted(this::run);
  }

  /** Takes the lock. Nobody else can want it: the id is new. */
  void open() throws SQLException {
    connect();
    thread.start();
  }

  /** For how long the lock has been gone, as far as this side knows; zero while it is held. */
  Duration lostFor() {
    return held ? Duration.ZERO : Duration.ofNanos(clock.nanos() - lostSinceNanos);
  }

  @Override
  public void close() {
    closed.countDown();
    thread.interrupt();
    drop();
    try {
      thread.join(Duration.ofSeconds(2));
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    while (closed.getCount() > 0) {
      try {
        PgSession now = connection;
        if (now == null) {
          connect();
        } else {
          now.watch(WATCH);
        }
      } catch (SQLException | RuntimeException broken) {
        if (closed.getCount() > 0) {
          lost();
        }
      }
    }
  }

  private void lost() {
    if (held) {
      lostSinceNanos = clock.nanos();
      held = false;
      log.info("the session connection broke: taking its lock again");
    }
    drop();
    try {
      boolean over = closed.await(RETRY.toMillis(), TimeUnit.MILLISECONDS);
      log.trace("session connection over: {}", over);
    } catch (InterruptedException stopping) {
      // The loop looks at whether it is over.
    }
  }

  private void connect() throws SQLException {
    PgSession fresh = PgSession.connect(url, "turnkeeper session " + replica, CONNECT);
    try {
      if (!fresh.tryLock(Cluster.LOCK_CLASS, replica)) {
        // The old session's end has not reached the database yet.
        throw new SQLException("the lock is still held by the old session");
      }
    } catch (SQLException failed) {
      fresh.close();
      throw failed;
    }
    connection = fresh;
    held = true;
  }

  private void drop() {
    PgSession old = connection;
    connection = null;
    if (old != null) {
      try {
        old.close();
      } catch (SQLException alreadyGone) {
        log.trace("closing a broken connection", alreadyGone);
      }
    }
  }
}
