package io.turnkeeper.db;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import java.sql.SQLException;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import javax.sql.DataSource;
import org.jdbi.v3.core.ConnectionException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.statement.ColonPrefixSqlParser;
import org.jdbi.v3.core.statement.SqlParser;
import org.jdbi.v3.core.statement.SqlStatements;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The connection pool. Transactions are READ COMMITTED and short; each connection's session runs in
 * UTC. Each transaction is one organization's, to which the database shows nothing of another's, or
 * the service's own.
 */
public final class Db implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Db.class);
  private static final Duration SILENCE_MAX = Duration.ofSeconds(30);
  private static final long CONNECT_SECONDS_MAX = 5;
  private static final long LOGIN_SECONDS_MAX = 3;
  private static final Duration DISTRUST_EVERY = Duration.ofMillis(500);

  /**
   * A process that is paused inside a transaction would keep its locks for as long as it is paused,
   * and with them whoever wants to take over its work. The database ends such a session.
   */
  private static final Duration IDLE_MAX = Duration.ofSeconds(5);

  private static final Duration WARN_EVERY = Duration.ofSeconds(10);
  private static final Duration DISK_FULL_RETRY = Duration.ofSeconds(5);

  /** Of all pools: what it has parsed it remembers. */
  private static final SqlParser PARSER = new ColonPrefixSqlParser();

  private static final String ALL = "*";
  private static final String NAME_SCOPE =
      "SELECT set_config('turnkeeper.organization', " + Tx.Entry.parameter() + ", true)";
  private static final String NAME_SCOPE_AND_ROLE =
      NAME_SCOPE + ", set_config('role', '" + TenantRole.NAME + "', true)";

  /** How long after its last use a connection is handed out without being asked whether it lives. */
  private static final String ALIVE_MILLIS = "1500";

  private final @Nullable HikariDataSource pool;
  private final ThreadFactory writers;
  private final Jdbi jdbi;
  private final InUse inUse;

  /** Whether row-level security leaves this user alone; null until it was asked. */
  private volatile @Nullable Boolean bypasses;

  private final AtomicLong distrustedNanos =
      new AtomicLong(System.nanoTime() - DISTRUST_EVERY.toNanos());
  private final AtomicLong warnedNanos = new AtomicLong(System.nanoTime() - WARN_EVERY.toNanos());

  private Db(HikariDataSource pool) {
    this(new InUse(pool, System::nanoTime), pool, Thread.ofPlatform().daemon().factory());
  }

  private Db(InUse inUse, @Nullable HikariDataSource pool, ThreadFactory writers) {
    this.pool = pool;
    this.writers = writers;
    this.inUse = inUse;
    this.jdbi = Jdbi.create(inUse);
    jdbi.getConfig(SqlStatements.class).setSqlParser(PARSER);
    jdbi.registerArrayType(UUID.class, "uuid");
    jdbi.registerArrayType(Long.class, "bigint");
    jdbi.registerArrayType(Integer.class, "integer");
    jdbi.registerArrayType(Short.class, "smallint");
    jdbi.registerArrayType(Boolean.class, "boolean");
    jdbi.registerArrayType(String.class, "text");
  }

  /**
   * Opens a pool. Does not connect yet: a database that is away shows at the first transaction.
   *
   * @param connectionTimeout how long a caller waits for a free connection before it is refused
   */
  public static Db open(DatabaseUrl url, int poolSize, Duration connectionTimeout) {
    return open(url, poolSize, new Waits(connectionTimeout, SILENCE_MAX, IDLE_MAX));
  }

  /**
   * @param connection how long a caller waits for a free connection before it is refused
   * @param silence how long a statement may stay without any answer before its connection is given
   *     up; whole seconds, rounded up
   * @param idle how long a transaction may stand still before the database ends it: at most the
   *     lease TTL, or a paused replica delays its takeover
   */
  public record Waits(Duration connection, Duration silence, Duration idle) {
    /** Of a replica whose leases last so long. */
    public static Waits within(Duration ttl, Duration connection) {
      return new Waits(connection, SILENCE_MAX, ttl.compareTo(IDLE_MAX) < 0 ? ttl : IDLE_MAX);
    }
  }

  /** As {@link #open(DatabaseUrl, int, Duration)}. */
  public static Db open(DatabaseUrl url, int poolSize, Waits waits) {
    String silentSeconds = Long.toString(Math.ceilDiv(waits.silence().toMillis(), 1_000));
    HikariConfig config = new HikariConfig();
    config.setPoolName("turnkeeper");
    config.setJdbcUrl(url.jdbcUrl());
    url.user().ifPresent(config::setUsername);
    url.password().ifPresent(config::setPassword);
    config.setMaximumPoolSize(poolSize);
    config.setMinimumIdle(Math.min(2, poolSize));
    config.setConnectionTimeout(waits.connection().toMillis());
    config.setInitializationFailTimeout(-1);
    // Jdbi takes a connection that is not in auto-commit for one whose transaction another owns.
    config.setAutoCommit(true);
    // Set once for a connection: named at each transaction, it costs six round trips more.
    config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
    config.setConnectionInitSql(
        "SET idle_in_transaction_session_timeout = " + waits.idle().toMillis());
    config.addDataSourceProperty("ApplicationName", "turnkeeper");
    config.addDataSourceProperty("reWriteBatchedInserts", "true");
    config.addDataSourceProperty(
        "connectTimeout",
        Long.toString(Math.min(CONNECT_SECONDS_MAX, Long.parseLong(silentSeconds))));
    // From the first byte to the last of a greeting: one that hangs holds up all that come after.
    config.addDataSourceProperty(
        "loginTimeout", Long.toString(Math.min(LOGIN_SECONDS_MAX, Long.parseLong(silentSeconds))));
    config.addDataSourceProperty("socketTimeout", silentSeconds);
    config.addDataSourceProperty("tcpKeepAlive", "true");
    // Else a poll once a second pays a transaction each time to ask whether its connection lives.
    System.setProperty("com.zaxxer.hikari.aliveBypassWindowMs", ALIVE_MILLIS);
    return new Db(new HikariDataSource(config));
  }

  /**
   * Connections from elsewhere; whoever gives them closes them.
   *
   * @param writers makes the threads of those that write in groups
   * @param nanos a monotonic count of nanoseconds
   */
  static Db over(DataSource source, ThreadFactory writers, LongSupplier nanos) {
    return new Db(new InUse(source, nanos), null, writers);
  }

  /** A thread for a writer of this database, not started. */
  Thread writer(String name, Runnable task) {
    Thread thread = writers.newThread(task);
    thread.setName(name);
    return thread;
  }

  /**
   * Runs the work in one transaction of the service itself, which sees every organization's rows,
   * and commits it; any exception rolls it back and is passed on. For what spans tenants: claims,
   * group commits, takeovers, upkeep, and whoever looks for the tenant of a key.
   *
   * @throws Refusal.Unavailable when no connection could be had in time, and nothing was done; with
   *     code {@code outcome_unknown} when the connection broke under way; with {@code disk_full}
   *     when the database has no room to write to, and nothing was done
   */
  public <T extends @Nullable Object> T inTx(Function<Tx, T> work) {
    return transact(ALL, work);
  }

  /**
   * As the other, for one organization: the database shows and takes its rows only, whatever the
   * statements say.
   */
  public <T extends @Nullable Object> T inTx(OrganizationId organization, Function<Tx, T> work) {
    return transact(organization.toString(), work);
  }

  /** As {@link #inTx(Function)}, for work without an answer. */
  public void useTx(Consumer<Tx> work) {
    inTx(tx -> {
      work.accept(tx);
      return true;
    });
  }

  /** As {@link #inTx(OrganizationId, Function)}, for work without an answer. */
  public void useTx(OrganizationId organization, Consumer<Tx> work) {
    inTx(
        organization,
        tx -> {
          work.accept(tx);
          return true;
        });
  }

  private <T extends @Nullable Object> T transact(String scope, Function<Tx, T> work) {
    try {
      return jdbi.inTransaction(handle -> work.apply(new Tx(handle, entry(handle, scope))));
    } catch (ConnectionException noConnection) {
      throw unavailable(noConnection);
    } catch (JdbiException broken) {
      if (ConnectionLoss.is(broken)) {
        distrustIdle();
        throw unknown();
      }
      if (ConnectionLoss.isDiskFull(broken)) {
        warnOfFullDisk(broken);
        throw diskFull();
      }
      throw broken;
    }
  }

  /** A user that policies do not bind needs no word for all rows, and another role for some. */
  private Tx.@Nullable Entry entry(Handle handle, String scope) {
    Boolean known = bypasses;
    if (known == null) {
      known = handle.createQuery(TenantRole.BYPASSES).mapTo(Boolean.class).one();
      bypasses = known;
    }
    if (!known) {
      return new Tx.Entry(NAME_SCOPE, scope);
    }
    return scope.equals(ALL) ? null : new Tx.Entry(NAME_SCOPE_AND_ROLE, scope);
  }

  /**
   * Breaks the connections that have been in use for so long: whoever waits there for an answer is
   * told at once that its outcome is unknown. For when the database is known to have gone from
   * behind them, which a network need not tell.
   */
  public void abandon(Duration longerThan) {
    inUse.abort(longerThan);
    distrustIdle();
  }

  /** Whether the database answers now; waits at most as long as for a connection. */
  public boolean answers() {
    try {
      return inTx(tx -> tx.query("SELECT 1").mapTo(Integer.class).one()) == 1;
    } catch (RuntimeException away) {
      return false;
    }
  }

  /** Connections in use, and the most there may be. */
  public PoolUse poolUse() {
    var bean = pool == null ? null : pool.getHikariPoolMXBean();
    return new PoolUse(
        bean == null ? 0 : bean.getActiveConnections(),
        bean == null ? 0 : bean.getThreadsAwaitingConnection(),
        pool == null ? 0 : pool.getMaximumPoolSize());
  }

  public record PoolUse(int active, int waiting, int max) {}

  @Override
  public void close() {
    if (pool != null) {
      pool.close();
    }
  }

  /**
   * Where one connection broke others may have: those that lie idle are replaced rather than each
   * fail somebody. Not more often than once in a while, so that those that come new are left alone.
   */
  private void distrustIdle() {
    long now = System.nanoTime();
    long last = distrustedNanos.get();
    var bean = pool == null ? null : pool.getHikariPoolMXBean();
    if (bean != null
        && now - last > DISTRUST_EVERY.toNanos()
        && distrustedNanos.compareAndSet(last, now)) {
      bean.softEvictConnections();
    }
  }

  private static Refusal unavailable(ConnectionException cause) {
    Throwable root = cause;
    while (root.getCause() != null
        && !(root instanceof SQLException sql && sql.getSQLState() != null)) {
      root = root.getCause();
    }
    String state =
        root instanceof SQLException sql && sql.getSQLState() != null ? sql.getSQLState() : "?";
    return new Refusal.Unavailable(
        "database_unavailable",
        "the database does not answer (SQLSTATE " + state + "); try again",
        Duration.ofSeconds(1));
  }

  /**
   * It is for an operator to see, and every write meets it: not more often than once in a while.
   */
  private void warnOfFullDisk(JdbiException full) {
    long now = System.nanoTime();
    long last = warnedNanos.get();
    if (now - last > WARN_EVERY.toNanos() && warnedNanos.compareAndSet(last, now)) {
      log.warn("the disk of the database is full: free some space on it", full);
    }
  }

  private static Refusal diskFull() {
    return new Refusal.Unavailable(
        "disk_full",
        "the disk of the database is full and nothing was done; try again when there is space",
        DISK_FULL_RETRY);
  }

  private static Refusal unknown() {
    return new Refusal.Unavailable(
        "outcome_unknown",
        "the connection to the database broke during the work; ask before you send it again",
        Duration.ofSeconds(1));
  }
}
