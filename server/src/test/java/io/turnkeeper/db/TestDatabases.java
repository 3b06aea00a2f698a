package io.turnkeeper.db;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** One server per JVM, one migrated template, one clone of it per test class. */
public final class TestDatabases implements ParameterResolver {
  private static final Namespace SPACE = Namespace.create(TestDatabases.class);
  private static final AtomicInteger NUMBER = new AtomicInteger();
  private static final int POOL_SIZE = 12;

  /** Deliberately far from UTC, with an offset of minutes: nothing may depend on it. */
  private static final String FOREIGN_ZONE = "Pacific/Chatham";

  private static @Nullable DatabaseUrl server;

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return type == Db.class || type == DatabaseUrl.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> testClass = context.getRequiredTestClass();
    Clone clone =
        context
            .getRoot()
            .getStore(SPACE)
            .computeIfAbsent(testClass, key -> clone(testClass.getSimpleName()), Clone.class);
    return parameter.getParameter().getType() == Db.class ? clone.db : clone.url;
  }

  /** A database of one's own beside the class's. */
  public static DatabaseUrl fresh(String name) {
    String database =
        "t_%d_%d_%s"
            .formatted(ProcessHandle.current().pid(), NUMBER.incrementAndGet(), name)
            .toLowerCase(java.util.Locale.ROOT);
    admin("CREATE DATABASE " + database + " TEMPLATE " + template());
    admin("ALTER DATABASE " + database + " SET timezone = '" + FOREIGN_ZONE + "'");
    return database(database);
  }

  /** A database with nothing in it. */
  static DatabaseUrl empty(String name) {
    String database =
        "t_%d_%d_%s"
            .formatted(ProcessHandle.current().pid(), NUMBER.incrementAndGet(), name)
            .toLowerCase(java.util.Locale.ROOT);
    admin("CREATE DATABASE " + database);
    return database(database);
  }

  private record Clone(DatabaseUrl url, Db db) implements AutoCloseable {
    @Override
    public void close() {
      db.close();
    }
  }

  private static Clone clone(String name) {
    DatabaseUrl url = fresh(name);
    return new Clone(url, Db.open(url, POOL_SIZE, Duration.ofSeconds(10)));
  }

  private static @Nullable String template;

  private static synchronized String template() {
    String made = template;
    if (made == null) {
      made = "template_" + ProcessHandle.current().pid();
      admin("CREATE DATABASE " + made);
      Migrations.migrate(database(made));
      template = made;
    }
    return made;
  }

  static synchronized DatabaseUrl server() {
    DatabaseUrl known = server;
    if (known == null) {
      String external = System.getenv("TURNKEEPER_TEST_DATABASE_URL");
      known = external == null || external.isBlank() ? embedded() : DatabaseUrl.parse(external);
      server = known;
    }
    return known;
  }

  private static DatabaseUrl embedded() {
    try {
      Path directory = Files.createTempDirectory("turnkeeper-test-");
      EmbeddedPostgres postgres = EmbeddedPostgres.start(directory, cache());
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(() -> {
                postgres.close();
                try {
                  Trees.delete(directory);
                } catch (IOException left) {
                  throw new UncheckedIOException(left);
                }
              }));
      return postgres.url();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** Unpacked once for all test runs of this checkout. */
  static Path cache() {
    return Path.of("target", "postgresql").toAbsolutePath();
  }

  private static DatabaseUrl database(String name) {
    DatabaseUrl on = server();
    String base = on.toString().replaceFirst("/[^/?]*(\\?|$)", "/" + name + "$1");
    String who =
        on.user().map(user -> user + on.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    return DatabaseUrl.parse(base.replaceFirst("//", "//" + who));
  }

  static void admin(String sql) {
    DatabaseUrl on = server();
    Properties as = new Properties();
    on.user().ifPresent(user -> as.setProperty("user", user));
    on.password().ifPresent(password -> as.setProperty("password", password));
    try (Connection connection = DriverManager.getConnection(on.jdbcUrl(), as);
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException failed) {
      throw new IllegalStateException(sql, failed);
    }
  }
}
