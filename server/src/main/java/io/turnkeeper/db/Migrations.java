package io.turnkeeper.db;

import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.MigrationState;
import org.flywaydb.core.api.callback.BaseCallback;
import org.flywaydb.core.api.callback.Context;
import org.flywaydb.core.api.callback.Event;
import org.flywaydb.core.api.exception.FlywayValidateException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The schema, brought up to this release. Replicas that start together wait for one another. */
public final class Migrations {
  private static final String FOLDER = "db/migration";
  private static final int OLDEST_SERVER = 15;
  private static final String LOCK_TIMEOUT = "SET lock_timeout = '300ms'";
  private static final String LOCK_NOT_AVAILABLE = "55P03";
  private static final Duration LOCK_PAUSE = Duration.ofMillis(500);
  private static final Duration LOCKED_WITHIN = Duration.ofMinutes(2);
  private static final Logger log = LoggerFactory.getLogger(Migrations.class);

  private Migrations() {}

  /**
   * @param sql what it will run
   */
  public record Pending(String version, String description, String sql) {}

  /**
   * Brings the schema up to date; how many migrations were run.
   *
   * @throws Refusal.Unavailable the database does not answer, is too old, or was made by a newer
   *     release
   */
  public static int migrate(DatabaseUrl url) {
    return migrate(url, List.of(FOLDER));
  }

  /** As the other, for a release that has the migrations of these folders. */
  static int migrate(DatabaseUrl url, List<String> folders) {
    checkServer(url);
    Steps steps = new Steps();
    Flyway flyway = flyway(url, folders, steps);
    refuseNewer(flyway);
    try {
      untilLocked(flyway);
      ensureTenantRole(url);
      return steps.executed.get();
    } catch (FlywayException failed) {
      throw failed instanceof FlywayValidateException
          ? refused(
              "schema_differs",
              "the schema in the database was made by another build, whose migrations differ from"
                  + " these: start that build, or give a database of its own to this one")
          : refused("migration_failed", "a migration failed: " + firstLine(failed));
    }
  }

  /** What was migrated before a lock could not be had stays; the rest is tried again. */
  private static void untilLocked(Flyway flyway) {
    long began = System.nanoTime();
    while (true) {
      try {
        flyway.migrate();
        return;
      } catch (FlywayException failed) {
        if (!isLockTimeout(failed) || System.nanoTime() - began > LOCKED_WITHIN.toNanos()) {
          throw failed;
        }
        log.info("a migration waits for a lock: trying again");
        LockSupport.parkNanos(LOCK_PAUSE.toNanos());
      }
    }
  }

  private static boolean isLockTimeout(FlywayException failed) {
    for (Throwable cause = failed; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql && LOCK_NOT_AVAILABLE.equals(sql.getSQLState())) {
        return true;
      }
    }
    return false;
  }

  /** What {@link #migrate} would run. */
  public static List<Pending> pending(DatabaseUrl url) {
    checkServer(url);
    Flyway flyway = flyway(url, List.of(FOLDER), new Steps());
    refuseNewer(flyway);
    return Arrays.stream(flyway.info().pending())
        .map(info ->
            new Pending(String.valueOf(info.getVersion()), info.getDescription(), text(info)))
        .toList();
  }

  private static Flyway flyway(DatabaseUrl url, List<String> folders, Steps steps) {
    return Flyway.configure()
        .dataSource(url.jdbcUrl(), url.user().orElse(null), url.password().orElse(null))
        .locations(folders.stream().map(it -> "classpath:" + it).toArray(String[]::new))
        .callbacks(steps)
        .connectRetries(0)
        .load();
  }

  /**
   * A migration that waits for a lock holds up all who come after it: heartbeats too, and a replica
   * without them stops its workers. So it waits for less than a heartbeat may, and comes again.
   */
  private static final class Steps extends BaseCallback {
    private final AtomicInteger executed = new AtomicInteger();

    @Override
    public boolean supports(Event event, Context context) {
      return event == Event.AFTER_CONNECT || event == Event.AFTER_EACH_MIGRATE;
    }

    @Override
    public void handle(Event event, Context context) {
      if (event == Event.AFTER_EACH_MIGRATE) {
        executed.incrementAndGet();
        return;
      }
      try (Statement statement = context.getConnection().createStatement()) {
        statement.execute(LOCK_TIMEOUT);
      } catch (SQLException refused) {
        throw new FlywayException("cannot set the lock timeout: " + firstLine(refused), refused);
      }
    }
  }

  private static void ensureTenantRole(DatabaseUrl url) {
    try (Connection connection = connect(url)) {
      TenantRole.ensure(connection);
    } catch (SQLException refusedByServer) {
      throw refused(
          "tenant_role",
          "the database's user is above row-level security and may not make the role %s (%s): let an administrator run CREATE ROLE %s NOLOGIN and grant it to that user"
              .formatted(TenantRole.NAME, firstLine(refusedByServer), TenantRole.NAME));
    }
  }

  private static Connection connect(DatabaseUrl url) throws SQLException {
    Properties as = new Properties();
    url.user().ifPresent(user -> as.setProperty("user", user));
    url.password().ifPresent(password -> as.setProperty("password", password));
    as.setProperty("connectTimeout", "5");
    return DriverManager.getConnection(url.jdbcUrl(), as);
  }

  private static void checkServer(DatabaseUrl url) {
    try (Connection connection = connect(url)) {
      int major = connection.getMetaData().getDatabaseMajorVersion();
      if (major < OLDEST_SERVER) {
        throw refused(
            "database_too_old",
            "the database is PostgreSQL %d; %d or later is needed".formatted(major, OLDEST_SERVER));
      }
    } catch (SQLException away) {
      throw refused(
          "database_unavailable",
          "cannot connect to the database at %s: %s".formatted(url, firstLine(away)));
    }
  }

  private static void refuseNewer(Flyway flyway) {
    for (MigrationInfo info : flyway.info().all()) {
      if (info.getState() == MigrationState.FUTURE_SUCCESS) {
        throw refused(
            "database_too_new",
            "the database was migrated by a newer release (schema %s); run that release or newer"
                .formatted(info.getVersion()));
      }
    }
  }

  private static String text(MigrationInfo info) {
    String script = "/" + FOLDER + "/" + info.getScript();
    try (InputStream in = Migrations.class.getResourceAsStream(script)) {
      return in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException unreadable) {
      return "";
    }
  }

  private static String firstLine(Exception failed) {
    return String.valueOf(failed.getMessage()).lines().findFirst().orElse("");
  }

  private static Refusal refused(String code, String message) {
    return new Refusal.Unavailable(code, message, Duration.ofSeconds(1));
  }
}
