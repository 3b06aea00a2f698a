package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;

/**
 * A PostgreSQL server of this machine's installation, on a directory of its own under the system's
 * temporary one: PostgreSQL does not run as root, and its user must be able to get there.
 */
final class Postgres implements AutoCloseable {
  private static final Duration COMMAND_MAX = Duration.ofSeconds(60);
  private static final int OLDEST = 15;

  private final Path bin;
  private final Path root;
  private final int port;

  private Postgres(Path bin, Path root, int port) {
    this.bin = bin;
    this.root = root;
    this.port = port;
  }

  static Postgres start() {
    Postgres server = empty();
    server.run("initdb", "-D", server.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8");
    server.startServer();
    return server;
  }

  /** A hot standby that streams from this one; asynchronous, as PostgreSQL's default is. */
  Postgres standby() {
    Postgres standby = empty();
    standby.run(
        "pg_basebackup",
        "-D",
        standby.data(),
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "-h",
        "127.0.0.1",
        "-p",
        Integer.toString(port),
        "-U",
        "postgres");
    standby.startServer();
    Awaitility.await("the standby streams")
        .atMost(COMMAND_MAX)
        .until(() -> sql("SELECT count(*) FROM pg_stat_replication").equals("1"));
    return standby;
  }

  private static Postgres empty() {
    try {
      Path root = Files.createTempDirectory("turnkeeper-faults-");
      Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwx--x--x"));
      Postgres server = new Postgres(installed(), root, freePort());
      Path home = Files.createDirectory(root.resolve("pg"));
      if (isRoot()) {
        Files.setOwner(
            home,
            home.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("nobody"));
      }
      return server;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket any = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return any.getLocalPort();
    }
  }

  private static boolean isRoot() {
    return "root".equals(System.getProperty("user.name"));
  }

  /** What a command begins with whose program refuses to run as root. */
  static List<String> unprivileged() {
    return isRoot()
        ? List.of("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
        : List.of();
  }

  /** The oldest that is supported, as the harder test; else a newer one. */
  private static Path installed() throws IOException {
    Path versions = Path.of("/usr/lib/postgresql");
    assertThat(versions).as("PostgreSQL as Debian installs it").isDirectory();
    try (Stream<Path> all = Files.list(versions)) {
      return all.filter(it -> it.getFileName().toString().matches("\\d+"))
          .filter(it -> Integer.parseInt(it.getFileName().toString()) >= OLDEST)
          .min(Comparator.comparing(it -> Integer.parseInt(it.getFileName().toString())))
          .orElseThrow()
          .resolve("bin");
    }
  }

  private String data() {
    return root.resolve("pg/data").toString();
  }

  void startServer() {
    run(
        "pg_ctl",
        "-D",
        data(),
        "-s",
        "-w",
        "-l",
        root.resolve("pg/log").toString(),
        "-o",
        "-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200"
                .formatted(port)
            + " -c fsync=off",
        "start");
  }

  /** As if the machine had failed: sessions are cut, nothing is written down first. */
  void stopImmediately() {
    run("pg_ctl", "-D", data(), "-s", "-w", "-m", "immediate", "stop");
  }

  void promote() {
    run("pg_ctl", "-D", data(), "-s", "-w", "promote");
  }

  int port() {
    return port;
  }

  String url() {
    return "postgresql://postgres@127.0.0.1:" + port + "/postgres";
  }

  /** What the statement answers: rows as lines, columns divided by a bar. */
  String sql(String statement) {
    return run(
        "psql",
        "-h",
        "127.0.0.1",
        "-p",
        Integer.toString(port),
        "-U",
        "postgres",
        "-d",
        "postgres",
        "-X",
        "-A",
        "-t",
        "-c",
        statement);
  }

  /** A session that has run the statement and stays in its transaction, with what it locked. */
  Runnable hold(String statement) {
    String sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    CompletableFuture<Void> session =
        CompletableFuture.runAsync(() -> {
          try {
            sql("BEGIN; " + statement + "; SELECT pg_sleep(60)");
          } catch (AssertionError ended) {
            // As is meant.
          }
        });
    Awaitility.await("a session that holds on: " + statement)
        .atMost(COMMAND_MAX)
        .until(() -> sql("SELECT count(*) " + sleeping).equals("1"));
    return () -> {
      sql("SELECT pg_terminate_backend(pid) " + sleeping);
      session.join();
    };
  }

  private String run(String program, String... arguments) {
    List<String> command = new ArrayList<>(unprivileged());
    command.add(bin.resolve(program).toString());
    command.addAll(List.of(arguments));
    Path output = root.resolve("command-" + System.nanoTime());
    try {
      Process process =
          new ProcessBuilder(command)
              .directory(root.toFile())
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      assertThat(process.waitFor(COMMAND_MAX.toSeconds(), TimeUnit.SECONDS))
          .as("%s ends", program)
          .isTrue();
      String said = Files.readString(output).strip();
      Files.delete(output);
      assertThat(process.exitValue()).as("%s: %s", program, said).isZero();
      return said;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    if (Files.exists(Path.of(data(), "postmaster.pid"))) {
      stopImmediately();
    }
    try {
      Turnkeeper.removeTree(root);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
