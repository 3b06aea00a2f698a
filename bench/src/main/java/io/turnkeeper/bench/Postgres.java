package io.turnkeeper.bench;

import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A PostgreSQL of the measurement's own, with fsync on: Debian's where it is installed, for peers
 * and limits are known with it, else the embedded one of the product.
 */
final class Postgres implements AutoCloseable {
  private static final Duration COMMAND_MAX = Duration.ofSeconds(90);
  private static final int OLDEST = 15;

  private final @Nullable Path bin;
  private final Path home;
  private final int port;
  private final @Nullable EmbeddedPostgres embedded;
  private int databases;

  private Postgres(@Nullable Path bin, Path home, int port, @Nullable EmbeddedPostgres embedded) {
    this.bin = bin;
    this.home = home;
    this.port = port;
    this.embedded = embedded;
  }

  static Postgres start(Path scratch) {
    Optional<Path> installed = installed();
    if (installed.isEmpty()) {
      EmbeddedPostgres embedded =
          EmbeddedPostgres.start(scratch.resolve("postgres"), scratch.resolve("binaries"));
      return new Postgres(null, scratch, 0, embedded);
    }
    Postgres server = installed(installed.get(), scratch, "pg");
    server.command(
        "initdb", "-D", server.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C");
    server.startServer();
    return server;
  }

  private static Postgres installed(Path bin, Path scratch, String name) {
    try {
      Path home = Files.createDirectory(scratch.resolve(name));
      if (Programs.root()) {
        // PostgreSQL does not run as root, and its user must be able to get there.
        Files.setPosixFilePermissions(scratch, PosixFilePermissions.fromString("rwx--x--x"));
        Files.setOwner(
            home,
            home.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("nobody"));
      }
      try (ServerSocket any = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        return new Postgres(bin, home, any.getLocalPort(), null);
      }
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** A hot standby that streams from this one, asynchronously; needs an installed PostgreSQL. */
  Postgres standby() {
    Postgres standby = installed(requireBin(), home.getParent(), "pg-standby");
    standby.follow(this);
    return standby;
  }

  /** Becomes a standby of that one, whatever it was before; it does not run. */
  void follow(Postgres primary) {
    Programs.removeTree(home.resolve("data"));
    command(
        "pg_basebackup",
        "-D",
        data(),
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "-h",
        "127.0.0.1",
        "-p",
        Integer.toString(primary.port),
        "-U",
        "postgres");
    startServer();
  }

  void startServer() {
    command(
        "pg_ctl",
        "-D",
        data(),
        "-s",
        "-w",
        "-l",
        home.resolve("log").toString(),
        "-o",
        "-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories='' ".formatted(port)
            + "-c max_connections=300 -c shared_buffers=256MB -c max_wal_size=4GB "
            + "-c shared_preload_libraries="
            + (Boolean.getBoolean("bench.statements") ? "pg_stat_statements" : "''"),
        "start");
  }

  /** As if the machine had failed: sessions are cut, nothing is written down first. */
  void stopImmediately() {
    command("pg_ctl", "-D", data(), "-s", "-w", "-m", "immediate", "stop");
  }

  void promote() {
    command("pg_ctl", "-D", data(), "-s", "-w", "promote");
  }

  boolean isInstalled() {
    return bin != null;
  }

  int port() {
    return port;
  }

  Path pidFile() {
    return home.resolve("data/postmaster.pid");
  }

  /** The program of this server's installation, such as pgbench. */
  Optional<Path> program(String name) {
    Path of = bin;
    return Optional.ofNullable(of).map(it -> it.resolve(name)).filter(Files::isExecutable);
  }

  /** A database that nothing else uses. */
  Database fresh() {
    String name = "bench_" + ++databases;
    try (Connection admin = connect(url("postgres"));
        Statement statement = admin.createStatement()) {
      statement.execute("CREATE DATABASE " + name);
      statement.execute("CHECKPOINT");
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
    return new Database(this, name);
  }

  void drop(String name) {
    try (Connection admin = connect(url("postgres"));
        Statement statement = admin.createStatement()) {
      statement.execute("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  String version() {
    try (Connection admin = connect(url("postgres"));
        Statement statement = admin.createStatement();
        ResultSet row = statement.executeQuery("SHOW server_version")) {
      row.next();
      return row.getString(1);
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  String url(String database) {
    EmbeddedPostgres own = embedded;
    if (own == null) {
      return "postgresql://postgres@127.0.0.1:" + port + "/" + database;
    }
    String text = own.url().jdbcUrl().substring("jdbc:".length());
    return text.substring(0, text.lastIndexOf('/') + 1) + database;
  }

  /** A connection to a database of this server. */
  Connection connect(String url) throws SQLException {
    DatabaseUrl parsed = DatabaseUrl.parse(url);
    String user = embedded == null ? "postgres" : embedded.url().user().orElse("postgres");
    String password = embedded == null ? "" : embedded.url().password().orElse("");
    return DriverManager.getConnection(parsed.jdbcUrl(), user, password);
  }

  private String data() {
    return home.resolve("data").toString();
  }

  private String command(String program, String... arguments) {
    List<String> words = new ArrayList<>(List.of(requireBin().resolve(program).toString()));
    words.addAll(List.of(arguments));
    return Programs.run(Programs.unprivileged(words), home, Map.of(), COMMAND_MAX);
  }

  private Path requireBin() {
    Path installed = bin;
    if (installed == null) {
      throw new IllegalStateException("this needs Debian's postgresql package");
    }
    return installed;
  }

  private static Optional<Path> installed() {
    Path versions = Path.of("/usr/lib/postgresql");
    if (!Files.isDirectory(versions)) {
      return Optional.empty();
    }
    try (Stream<Path> all = Files.list(versions)) {
      return all.filter(it -> it.getFileName().toString().matches("\\d+"))
          .filter(it -> Integer.parseInt(it.getFileName().toString()) >= OLDEST)
          .filter(it -> Files.isExecutable(it.resolve("bin/initdb")))
          .min(Comparator.comparing(it -> Integer.parseInt(it.getFileName().toString())))
          .map(it -> it.resolve("bin"));
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  @Override
  public void close() {
    if (embedded != null) {
      embedded.close();
    } else if (Files.exists(pidFile())) {
      stopImmediately();
    }
  }
}
