package io.turnkeeper.cluster;

import io.turnkeeper.base.Clock;
import io.turnkeeper.db.DatabaseUrl;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
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
  private static final int NOTIFICATION_WAIT_MILLIS = 500;
  private static final int CONNECT_SECONDS = 2;

  private final DatabaseUrl url;
  private final int replica;
  private final Clock clock;
  private final Thread thread;
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile long lostSinceNanos;
  private volatile boolean held;
  private volatile @Nullable Connection connection;

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
        Connection now = connection;
        if (now == null) {
          connect();
        } else {
          // Reads from the socket, so that a connection that was cut shows at once.
          now.unwrap(PGConnection.class).getNotifications(NOTIFICATION_WAIT_MILLIS);
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
    Properties as = new Properties();
    url.user().ifPresent(user -> as.setProperty("user", user));
    url.password().ifPresent(password -> as.setProperty("password", password));
    as.setProperty("ApplicationName", "turnkeeper session " + replica);
    as.setProperty("connectTimeout", Integer.toString(CONNECT_SECONDS));
    as.setProperty("tcpKeepAlive", "true");
    Connection fresh = DriverManager.getConnection(url.jdbcUrl(), as);
    try (PreparedStatement lock = fresh.prepareStatement("SELECT pg_try_advisory_lock(?, ?)")) {
      lock.setInt(1, Cluster.LOCK_CLASS);
      lock.setInt(2, replica);
      try (ResultSet row = lock.executeQuery()) {
        if (!row.next() || !row.getBoolean(1)) {
          // The old session's end has not reached the database yet.
          fresh.close();
          throw new SQLException("the lock is still held by the old session");
        }
      }
    } catch (SQLException failed) {
      fresh.close();
      throw failed;
    }
    connection = fresh;
    held = true;
  }

  private void drop() {
    Connection old = connection;
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
