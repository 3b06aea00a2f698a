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
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.MigrationState;
import org.flywaydb.core.api.callback.BaseCallback;
import org.flywaydb.core.api.callback.Context;
import org.flywaydb.core.api.callback.Event;
import org.flywaydb.core.api.exception.FlywayValidateException;

/** The schema, brought up to this release. Replicas that start together wait for one another. */
public final class Migrations {
  private static final String FOLDER = "db/migration";
  private static final int OLDEST_SERVER = 15;

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
    checkServer(url);
    Flyway flyway = flyway(url);
    refuseNewer(flyway);
    try {
      int executed = flyway.migrate().migrationsExecuted;
      ensureTenantRole(url);
      return executed;
    } catch (FlywayException failed) {
      throw failed instanceof FlywayValidateException
          ? refused(
              "schema_differs",
              "the schema in the database was made by another build, whose migrations differ from"
                  + " these: start that build, or give a database of its own to this one")
          : refused("migration_failed", "a migration failed: " + firstLine(failed));
    }
  }

  /** What {@link #migrate} would run. */
  public static List<Pending> pending(DatabaseUrl url) {
    checkServer(url);
    Flyway flyway = flyway(url);
    refuseNewer(flyway);
    return Arrays.stream(flyway.info().pending())
        .map(info ->
            new Pending(String.valueOf(info.getVersion()), info.getDescription(), text(info)))
        .toList();
  }

  private static Flyway flyway(DatabaseUrl url) {
    return Flyway.configure()
        .dataSource(url.jdbcUrl(), url.user().orElse(null), url.password().orElse(null))
        .locations("classpath:" + FOLDER)
        .callbacks(new LockTimeout())
        .connectRetries(0)
        .load();
  }

  /** A migration that waits for a lock holds up all who come after it; it had better fail. */
  private static final class LockTimeout extends BaseCallback {
    @Override
    public boolean supports(Event event, Context context) {
      return event == Event.AFTER_CONNECT;
    }

    @Override
    public void handle(Event event, Context context) {
      try (Statement statement = context.getConnection().createStatement()) {
        statement.execute("SET lock_timeout = '10s'");
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
