package io.turnkeeper.sim;

import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.TestDatabases;
import io.turnkeeper.eventlog.EventLog;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/**
 * One real database, whose clock is the simulation's: functions of the schema {@code sim} stand
 * before those of PostgreSQL in the search path. Its connections outlive the simulated ones: a
 * connection that dies is rolled back and loses its session's locks, which is all that a backend's
 * end means to others.
 */
final class SimDatabase implements AutoCloseable {
  private static final String SET_UP =
      """
      CREATE SCHEMA sim;
      CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT coalesce(nullif(pg_catalog.current_setting('sim.now', true), '')::timestamptz,
                        pg_catalog.now()) $$;
      CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT pg_catalog.current_setting('sim.clock')::timestamptz $$;
      CREATE FUNCTION sim.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT pg_catalog.current_setting('sim.started')::timestamptz $$;
      -- Waits for locks end in simulated time.
      CREATE FUNCTION sim.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$
        SELECT CASE WHEN $1 IN ('lock_timeout', 'synchronous_commit') THEN $2
                    ELSE pg_catalog.set_config($1, $2, $3) END $$;
      -- Notifications are delivered by the simulator, or not.
      CREATE TABLE sim.news (id bigserial PRIMARY KEY, payload text NOT NULL);
      CREATE FUNCTION sim.pg_notify(text, text) RETURNS void LANGUAGE sql AS $$
        INSERT INTO sim.news (payload) VALUES ($2) $$;
      -- The tenants' role does what the service does.
      GRANT USAGE ON SCHEMA sim TO PUBLIC;
      DO $$
      DECLARE c record;
      BEGIN
        -- One day is enough, and each more costs each statement.
        FOR c IN SELECT inhrelid::regclass AS name FROM pg_inherits
                  WHERE inhparent = 'run_events'::regclass
                    AND inhrelid::regclass::text <> 'run_events_20260101' LOOP
          EXECUTE format('DROP TABLE %s', c.name);
        END LOOP;
        FOR c IN SELECT table_name, column_name FROM information_schema.columns
                  WHERE table_schema = 'public' AND column_default = 'now()' LOOP
          EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET DEFAULT sim.now()',
                         c.table_name, c.column_name);
        END LOOP;
      END $$;
      """;

  private static final String SESSION =
      """
      SET search_path = sim, pg_catalog, public;
      SET synchronous_commit = off;
      SET deadlock_timeout = '100ms';
      SET jit = off;
      -- The same few rows for each seed: planning would cost more than the work.
      SET plan_cache_mode = force_generic_plan;
      """;

  private static final String TABLES =
      """
      organizations agents agent_versions conversations replicas mailboxes runs run_commands
      run_events snapshots snapshot_chunks token_keys sim.news
      """;

  /** Cheaper than TRUNCATE by far where there are few rows; now and then what is left goes too. */
  private static final int VACUUM_EVERY = 50;

  private static final int STOCK = 12;

  /**
   * @param begun when the transaction began
   */
  record Time(Instant begun, Instant now, Instant serverStarted) {}

  /** A real connection and the statement that tells it the time. */
  static final class Physical {
    final Connection connection;
    final int pid;
    private final PreparedStatement stamp;
    private @Nullable Time told;

    Physical(Connection connection) throws SQLException {
      this.connection = connection;
      try (Statement statement = connection.createStatement()) {
        statement.execute(SESSION);
      }
      this.pid = connection.unwrap(org.postgresql.PGConnection.class).getBackendPID();
      this.stamp =
          connection.prepareStatement(
              """
              SELECT pg_catalog.set_config('sim.now', ?, false),
                     pg_catalog.set_config('sim.clock', ?, false),
                     pg_catalog.set_config('sim.started', ?, false)
              """);
    }

    /** What it says is now, to statements that ask. */
    void stamp(Time time) throws SQLException {
      if (time.equals(told)) {
        return;
      }
      stamp.setString(1, time.begun().toString());
      stamp.setString(2, time.now().toString());
      stamp.setString(3, time.serverStarted().toString());
      stamp.execute();
      told = time;
    }

    /** A transaction was undone, and with it what it was told. */
    void undone() {
      told = null;
    }
  }

  private final DatabaseUrl url;
  private final List<Physical> all = new ArrayList<>();
  private final Deque<Physical> free = new ArrayDeque<>();
  private final Physical own;
  private final PreparedStatement blocked;
  private final PreparedStatement cancel;
  private final PreparedStatement news;
  private @Nullable PreparedStatement look;
  private int resets;

  SimDatabase() throws SQLException {
    this.url = TestDatabases.fresh("sim");
    try (Db db = Db.open(url, 1, Duration.ofSeconds(10))) {
      db.useTx(tx -> new EventLog(Duration.ofDays(10)).tend(tx, Engine.START));
    }
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute(SET_UP);
    }
    this.own = new Physical(connect());
    this.blocked = own.connection.prepareStatement("SELECT pg_catalog.pg_blocking_pids(?)::text");
    this.news = own.connection.prepareStatement("DELETE FROM sim.news RETURNING payload");
    this.cancel = own.connection.prepareStatement("SELECT pg_catalog.pg_cancel_backend(?)");
  }

  private Connection connect() throws SQLException {
    Properties as = new Properties();
    url.user().ifPresent(user -> as.setProperty("user", user));
    url.password().ifPresent(password -> as.setProperty("password", password));
    as.setProperty("prepareThreshold", "1");
    return DriverManager.getConnection(url.jdbcUrl(), as);
  }

  /** The simulator's own connection. */
  Physical own() {
    return own;
  }

  /** One that waits already: actors must not open connections, which would take real time. */
  Physical take() {
    return free.pop();
  }

  /** Sees to it that a few wait. */
  void stock() {
    try {
      while (free.size() < STOCK) {
        Physical made = new Physical(connect());
        all.add(made);
        free.push(made);
      }
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** The connection is over: what it had begun is undone, what it had locked is free. */
  void end(Physical physical, boolean session) {
    try {
      if (!physical.connection.getAutoCommit()) {
        physical.connection.rollback();
        physical.undone();
        physical.connection.setAutoCommit(true);
      }
      if (session) {
        try (Statement statement = physical.connection.createStatement()) {
          statement.execute("SELECT pg_catalog.pg_advisory_unlock_all()");
        }
      }
      free.push(physical);
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** The backends whose locks this one waits for, as text; {@code {}} when it waits for none. */
  String blockers(Physical physical) throws SQLException {
    blocked.setInt(1, physical.pid);
    try (ResultSet row = blocked.executeQuery()) {
      row.next();
      return row.getString(1);
    }
  }

  /** What was told since the last look, once it is committed. */
  List<String> news() throws SQLException {
    List<String> payloads = new ArrayList<>();
    try (ResultSet row = news.executeQuery()) {
      while (row.next()) {
        payloads.add(row.getString(1));
      }
    }
    return payloads;
  }

  void cancel(Physical physical) throws SQLException {
    cancel.setInt(1, physical.pid);
    cancel.execute();
  }

  /** Prepared once: each seed asks the same. */
  PreparedStatement look(String sql) throws SQLException {
    PreparedStatement made = look;
    if (made == null) {
      made = own.connection.prepareStatement(sql);
      look = made;
    }
    return made;
  }

  /** As new. */
  void reset() throws SQLException {
    StringBuilder all = new StringBuilder("SET session_replication_role = replica;\n");
    for (String table : TABLES.strip().split("\\s+")) {
      all.append("DELETE FROM ").append(table).append(";\n");
    }
    all.append("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S';\n");
    all.append("RESET session_replication_role");
    try (Statement statement = own.connection.createStatement()) {
      statement.execute(all.toString());
      if (++resets % VACUUM_EVERY == 0) {
        statement.execute("VACUUM");
      }
    }
  }

  @Override
  public void close() throws SQLException {
    for (Physical physical : all) {
      physical.connection.close();
    }
    own.connection.close();
  }
}
