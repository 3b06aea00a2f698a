package io.turnkeeper.db;

import io.turnkeeper.base.Clock;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection outside the pool, kept for what ends with it: session locks, and what it listens
 * to. When it breaks, that shows at once, and it is opened again until it is closed here.
 */
public final class PgSession implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(PgSession.class);
  private static final Duration RETRY = Duration.ofMillis(50);
  private static final Duration STOP_MAX = Duration.ofSeconds(2);
  private static final int NOTIFICATION_WAIT_MILLIS = 500;
  private static final AtomicInteger LIVES = new AtomicInteger();
  private static final String CONNECT_SECONDS = "2";

  /** What a fresh connection must take before it counts. */
  public interface Taking {
    /**
     * @throws SQLException it could not be taken: the connection is given up and tried again
     */
    void on(Connection fresh) throws SQLException;
  }

  /** Told on the session's thread; must not block. */
  public interface Listener {
    /** What came over a channel that the connection listens to. */
    void notified(String payload);

    /** The connection was away, and is back: what came meanwhile is lost. */
    void back();
  }

  private final DatabaseUrl url;
  private final Clock clock;
  private final Taking again;
  private final Listener listener;
  private final Thread thread;
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile long lostSinceNanos;
  private volatile boolean held;
  private volatile int life;
  private volatile @Nullable Connection connection;

  /** The connection that is gone said that its server ends. */
  private volatile boolean toldOfServersEnd;

  /** Whoever answers there says that it cannot be connected to now. */
  private volatile boolean turnedAway;

  /** Held while it turns between held and lost, by its own thread or by who knows better. */
  private final Object turning = new Object();

  /**
   * @param first what the first connection takes
   * @param again what each later one takes; called on a thread of the session
   */
  public record Takes(Taking first, Taking again) {}

  private PgSession(DatabaseUrl url, Clock clock, Taking again, Listener listener) {
    this.listener = listener;
    this.url = url;
    this.clock = clock;
    this.again = again;
    this.thread = Thread.ofPlatform().name("pg-session").daemon().unstarted(this::run);
  }

  /**
   * Connects, within seconds.
   *
   * @throws SQLException the database does not answer, or what is first taken could not be had
   */
  public static PgSession open(DatabaseUrl url, Clock clock, Takes takes, Listener listener)
      throws SQLException {
    PgSession session = new PgSession(url, clock, takes.again(), listener);
    session.connect(takes.first());
    session.thread.start();
    return session;
  }

  /** For how long it has been without what it took, as far as this side knows; zero: it has it. */
  public Duration lostFor() {
    return held ? Duration.ZERO : Duration.ofNanos(clock.nanos() - lostSinceNanos);
  }

  /**
   * Which connection is held, or was last: another number for each one of this process, from 1.
   * While it is the same before and after something, the server has not ended in between.
   */
  public int life() {
    return life;
  }

  /**
   * Whether it is known that the server itself ended, and every other session with it: it said so
   * when it cut this one, or says since that it shuts down or starts up. A server that does not
   * answer may still answer others.
   */
  public boolean serverDown() {
    return toldOfServersEnd || turnedAway;
  }

  /**
   * The server has answered elsewhere, and is the one that it was when this session was well: who
   * turns this session away is another.
   */
  public void serverLives() {
    turnedAway = false;
  }

  /**
   * What it took is known to be gone, though the connection seems well: opens it again. Does
   * nothing when it has noticed by itself.
   *
   * @param life that it was missed in
   * @param sinceNanos when it was last known to be there
   */
  public void missed(int life, long sinceNanos) {
    Connection old;
    synchronized (turning) {
      if (!held || life != this.life) {
        return;
      }
      lostSinceNanos = sinceNanos;
      held = false;
      old = connection;
    }
    log.info("the session's lock is gone: opening the session again");
    if (old != null) {
      try {
        old.abort(Runnable::run); // its thread may wait for an answer that never comes
      } catch (SQLException alreadyGone) {
        log.trace("ending a broken connection", alreadyGone);
      }
    }
  }

  @Override
  public void close() {
    closed.countDown();
    thread.interrupt();
    drop();
    try {
      thread.join(STOP_MAX);
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    while (closed.getCount() > 0) {
      try {
        Connection now = connection;
        if (now == null) {
          connect(again);
          log.info("the session connection is back");
          listener.back();
        } else {
          // Reads from the socket, so that a connection that was cut shows at once.
          PGNotification[] heard =
              now.unwrap(PGConnection.class).getNotifications(NOTIFICATION_WAIT_MILLIS);
          if (heard != null) {
            for (PGNotification one : heard) {
              listener.notified(one.getParameter());
            }
          }
        }
      } catch (SQLException | RuntimeException broken) {
        if (closed.getCount() > 0) {
          if (connection == null) {
            turnedAway = turnedAway || tellsOfServersEnd(broken);
          } else {
            toldOfServersEnd = tellsOfServersEnd(broken) || warnedOfServersEnd();
          }
          lost();
        }
      }
    }
    drop();
  }

  /** The first try to come back is made at once. */
  private void lost() {
    boolean first = connection != null;
    synchronized (turning) {
      if (held) {
        lostSinceNanos = clock.nanos();
        held = false;
        log.info("the session connection broke: opening it again");
      }
    }
    drop();
    try {
      if (!first && closed.await(RETRY.toMillis(), TimeUnit.MILLISECONDS)) {
        log.trace("closed while reconnecting");
      }
    } catch (InterruptedException stopping) {
      // The loop looks at whether it is over.
    }
  }

  /** It cannot connect now: shutting down, starting up; or its processes end for a crash of one. */
  private static boolean tellsOfServersEnd(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql
          && ("57P03".equals(sql.getSQLState()) || "57P02".equals(sql.getSQLState()))) {
        return true;
      }
    }
    return false;
  }

  /**
   * A server that is stopped at once, or ends for a crash, says so in a warning and hangs up;
   * whoever ends one session alone makes that session fail instead.
   */
  private boolean warnedOfServersEnd() {
    Connection old = connection;
    if (old == null) {
      return false;
    }
    try {
      for (SQLWarning said = old.getWarnings(); said != null; said = said.getNextWarning()) {
        if ("57P01".equals(said.getSQLState()) || "57P02".equals(said.getSQLState())) {
          return true;
        }
      }
    } catch (SQLException gone) {
      log.trace("no warnings of a broken connection", gone);
    }
    return false;
  }

  private void connect(Taking taking) throws SQLException {
    Properties as = new Properties();
    url.user().ifPresent(user -> as.setProperty("user", user));
    url.password().ifPresent(password -> as.setProperty("password", password));
    as.setProperty("ApplicationName", "turnkeeper session");
    as.setProperty("connectTimeout", CONNECT_SECONDS);
    // A peer that vanished must not hold this up; the wait for notifications has its own limit.
    as.setProperty("socketTimeout", CONNECT_SECONDS);
    as.setProperty("tcpKeepAlive", "true");
    Connection fresh = DriverManager.getConnection(url.jdbcUrl(), as);
    try {
      taking.on(fresh);
    } catch (SQLException | RuntimeException failed) {
      fresh.close();
      throw failed;
    }
    synchronized (turning) {
      connection = fresh;
      life = LIVES.incrementAndGet();
      toldOfServersEnd = false;
      turnedAway = false;
      held = true;
    }
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
