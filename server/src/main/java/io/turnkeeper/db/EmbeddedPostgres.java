package io.turnkeeper.db;

import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A real PostgreSQL of this machine's own, from the binaries in the jar: the same protocol, the
 * same locks, the same durability as any other. Its data survive restarts and a {@code kill -9} of
 * this process; a server that such a kill left behind is stopped before a new one starts.
 *
 * <pre>
 * DIR/data      the cluster          DIR/password   of its one role, mode 0600
 * DIR/log       what it says         CACHE/NAME     the unpacked binaries, shared between directories
 * </pre>
 */
public final class EmbeddedPostgres implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(EmbeddedPostgres.class);
  private static final String ROLE = "turnkeeper";
  private static final String DATABASE = "turnkeeper";

  /** The major version of the binaries in the jar, which a data directory must have. */
  private static final String MAJOR = "18";

  /**
   * Crash recovery after a kill under load takes a while; it goes on as long as the process lives.
   */
  private static final Duration START_MAX = Duration.ofMinutes(5);

  private static final Duration STOP_MAX = Duration.ofSeconds(30);
  private static final Duration LOOK_EVERY = Duration.ofMillis(25);
  private static final long LOG_BYTES_MAX = 10L * 1024 * 1024;
  private static final String WRONG_PASSWORD_CLASS = "28";
  private static final int LOG_TAIL_CHARS = 400;
  private static final String NO_SPACE = "no space left";
  private static final String FULL = "the disk is full: free some space and start again";

  private final Path directory;
  private final Path binaries;
  private final AsWho asWho;
  private final Process server;
  private final DatabaseUrl url;

  private EmbeddedPostgres(
      Path directory, Path binaries, AsWho asWho, Process server, DatabaseUrl url) {
    this.directory = directory;
    this.binaries = binaries;
    this.asWho = asWho;
    this.server = server;
    this.url = url;
  }

  /**
   * Starts the server of a directory, made on the first start, and waits until it accepts
   * connections.
   *
   * @param directory owned by one caller at a time: the caller holds a lock on it
   * @param cache where binaries are unpacked, once for all directories
   * @throws Refusal.Unavailable in one line, what is in the way and what to do
   */
  public static EmbeddedPostgres start(Path directory, Path cache) {
    try {
      Path binaries = PostgresBinaries.unpacked(cache);
      Files.createDirectories(directory);
      AsWho asWho = AsWho.choose(directory, binaries);
      stopLeftBehind(directory);
      boolean first = !Files.exists(directory.resolve("data").resolve("PG_VERSION"));
      if (first) {
        initialize(directory, binaries, asWho);
      }
      String version = Files.readString(directory.resolve("data").resolve("PG_VERSION")).strip();
      if (!version.equals(MAJOR)) {
        throw refused(
            "data_directory_version",
            "%s was made by PostgreSQL %s and this release has %s; move it away, or dump it with the release that made it"
                .formatted(directory, version, MAJOR));
      }
      EmbeddedPostgres started = launch(directory, binaries, asWho);
      if (first) {
        // Only now: a start that is refused says why, in one line, and nothing else.
        log.info("made a database in {}", directory);
      }
      return started;
    } catch (IOException failed) {
      throw refused(
          "embedded_postgres", "cannot use %s: %s".formatted(directory, describe(failed)));
    }
  }

  public DatabaseUrl url() {
    return url;
  }

  /** Stops the server: it ends open connections and leaves a clean cluster. */
  @Override
  public void close() {
    try {
      stop(server.toHandle());
    } catch (IOException failed) {
      log.warn("the embedded PostgreSQL could not be stopped", failed);
      server.destroyForcibly();
    }
  }

  @Override
  public String toString() {
    return "PostgreSQL " + MAJOR + " in " + directory + " " + asWho + " " + binaries;
  }

  private static void initialize(Path directory, Path binaries, AsWho asWho) throws IOException {
    byte[] random = new byte[24];
    new SecureRandom().nextBytes(random);
    Path password = directory.resolve("password");
    Files.deleteIfExists(password);
    Files.createFile(
        password,
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(password, Base64.getUrlEncoder().withoutPadding().encodeToString(random));
    Path fresh = directory.resolve("data.new");
    Trees.delete(fresh);
    asWho.own(directory);
    List<String> command = new ArrayList<>(asWho.prefix());
    command.addAll(
        List.of(
            binaries.resolve("bin/initdb").toString(),
            "--pgdata=" + fresh,
            "--username=" + ROLE,
            "--pwfile=" + password,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C"));
    Process initdb =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(directory.resolve("log").toFile()))
            .start();
    if (await(initdb, START_MAX) != 0) {
      throw refused(
          "embedded_postgres",
          "initdb failed in %s: %s".formatted(directory, tail(directory.resolve("log"))));
    }
    Files.move(fresh, directory.resolve("data"));
  }

  private static EmbeddedPostgres launch(Path directory, Path binaries, AsWho asWho)
      throws IOException {
    // Before there is a server: nothing is left running when it cannot be read.
    String password = Files.readString(directory.resolve("password")).strip();
    Path logFile = directory.resolve("log");
    if (Files.exists(logFile) && Files.size(logFile) > LOG_BYTES_MAX) {
      Files.move(
          logFile, directory.resolve("log.old"), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }
    int port = freePort();
    List<String> command = new ArrayList<>();
    // Its own session: a Ctrl-C in the terminal is for us, and we stop it when we are done.
    command.add("setsid");
    command.addAll(asWho.prefix());
    command.addAll(
        List.of(
            binaries.resolve("bin/postgres").toString(),
            "-D",
            directory.resolve("data").toString()));
    for (String setting :
        List.of(
            "port=" + port,
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=100",
            "shared_buffers=128MB",
            "max_wal_size=2GB",
            "log_checkpoints=off",
            "log_timezone=UTC",
            "timezone=UTC")) {
      command.add("-c");
      command.add(setting);
    }
    Process server =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(logFile.toFile()))
            .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
            .start();
    try {
      awaitReady(server, port, password, logFile);
    } catch (RuntimeException | IOException failed) {
      // Not with KILL: that leaves the server's children behind.
      stop(server.toHandle());
      throw failed;
    }
    DatabaseUrl url =
        DatabaseUrl.parse(
            "postgresql://%s:%s@127.0.0.1:%d/%s".formatted(ROLE, password, port, DATABASE));
    return new EmbeddedPostgres(directory, binaries, asWho, server, url);
  }

  private static void awaitReady(Process server, int port, String password, Path logFile)
      throws IOException {
    long until = System.nanoTime() + START_MAX.toNanos();
    Properties as = new Properties();
    as.setProperty("user", ROLE);
    as.setProperty("password", password);
    as.setProperty("connectTimeout", "5");
    while (true) {
      if (!server.isAlive() || System.nanoTime() > until) {
        throw refused(
            "embedded_postgres", "the embedded PostgreSQL did not start: " + tail(logFile));
      }
      try (Connection connection =
              DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + port + "/postgres", as);
          Statement statement = connection.createStatement()) {
        createDatabase(statement);
        return;
      } catch (SQLException notYet) {
        if (String.valueOf(notYet.getSQLState()).startsWith(WRONG_PASSWORD_CLASS)) {
          throw refused(
              "embedded_postgres",
              "the password file does not fit the data in %s; put back the one that was there"
                  .formatted(logFile.getParent()));
        }
        if (ConnectionLoss.isDiskFull(notYet)) {
          throw refused("disk_full", "no room for a database: " + FULL);
        }
        pause(server);
      }
    }
  }

  private static void createDatabase(Statement statement) throws SQLException {
    try (var there =
        statement.executeQuery("SELECT 1 FROM pg_database WHERE datname = '" + DATABASE + "'")) {
      if (there.next()) {
        return;
      }
    }
    statement.execute("CREATE DATABASE " + DATABASE);
  }

  /** A server of this directory that outlived the process that started it. */
  private static void stopLeftBehind(Path directory) throws IOException {
    Path pidFile = directory.resolve("data").resolve("postmaster.pid");
    if (!Files.exists(pidFile)) {
      return;
    }
    List<String> lines = Files.readAllLines(pidFile);
    Optional<ProcessHandle> process =
        lines.isEmpty()
            ? Optional.empty()
            : ProcessHandle.of(Long.parseLong(lines.getFirst().strip()));
    boolean ours =
        process.isPresent() && serves(process.get().pid(), directory.resolve("data").toString());
    if (ours) {
      log.info("stopping the PostgreSQL that an earlier run left behind");
      stop(process.get());
    } else if (process.isPresent()) {
      // The id is a stranger's now, as after a restart of a container; PostgreSQL, which sees only
      // that such a process lives, would refuse to start.
      log.info("process {} is not the PostgreSQL that {} names", process.get().pid(), pidFile);
      Files.delete(pidFile);
    }
  }

  /** Whether a process is a server of the data directory, and not a stranger with a recycled id. */
  private static boolean serves(long pid, String data) {
    try {
      String commandLine =
          new String(
              Files.readAllBytes(Path.of("/proc", Long.toString(pid), "cmdline")),
              StandardCharsets.UTF_8);
      return commandLine.contains("postgres") && commandLine.contains(data);
    } catch (IOException unreadable) {
      return false;
    }
  }

  /**
   * Fast mode first; then, when it does not go, immediate mode, which leaves recovery to the next
   * start.
   */
  private static void stop(ProcessHandle server) throws IOException {
    for (String signal : List.of("INT", "QUIT", "KILL")) {
      if (!server.isAlive()) {
        return;
      }
      Process kill =
          new ProcessBuilder("sh", "-c", "kill -" + signal + " " + server.pid())
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!ends(kill.toHandle()) || !ends(server)) {
        log.warn("PostgreSQL did not stop on {}", signal);
      }
    }
  }

  /**
   * Waits also when this thread is interrupted: who stops in a hurry must not turn a clean stop
   * into a crash.
   */
  private static boolean ends(ProcessHandle process) {
    long until = System.nanoTime() + STOP_MAX.toNanos();
    boolean interrupted = false;
    try {
      while (true) {
        try {
          process.onExit().get(until - System.nanoTime(), TimeUnit.NANOSECONDS);
          return true;
        } catch (InterruptedException inAHurry) {
          interrupted = true;
        } catch (ExecutionException | TimeoutException stillThere) {
          return !process.isAlive();
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static int await(Process process, Duration atMost) throws IOException {
    try (InputStream unread = process.getInputStream()) {
      if (!process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS)) {
        process.destroyForcibly();
        return -1;
      }
      return process.exitValue();
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      process.destroyForcibly();
      return -1;
    }
  }

  private static void pause(Process server) {
    try {
      boolean gone = server.waitFor(LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
      log.trace("waiting for PostgreSQL; gone: {}", gone);
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      throw refused("embedded_postgres", "interrupted while PostgreSQL started");
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static String tail(Path file) {
    try {
      String text = Files.readString(file).strip();
      String end =
          text.length() <= LOG_TAIL_CHARS
              ? text
              : text.substring(text.length() - LOG_TAIL_CHARS).replaceFirst("^[^\n]*\n(?=.)", "");
      String lower = end.toLowerCase(Locale.ROOT);
      if (lower.contains(NO_SPACE) || lower.contains("free disk space")) {
        return FULL;
      }
      return end.replaceAll("\\s*\\R\\s*", " | ");
    } catch (IOException unreadable) {
      return "it left no log in " + file;
    }
  }

  private static String describe(IOException failed) {
    if (String.valueOf(failed.getMessage()).toLowerCase(Locale.ROOT).contains(NO_SPACE)) {
      return FULL;
    }
    return failed instanceof java.nio.file.AccessDeniedException
        ? "no permission to write " + failed.getMessage()
        : failed.getClass().getSimpleName() + ": " + failed.getMessage();
  }

  private static Refusal refused(String code, String message) {
    return new Refusal.Unavailable(code, message, Duration.ofSeconds(1));
  }
}
