package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;

/** Debian's PgBouncer, which gives a server's session to a client for one transaction. */
final class PgBouncer implements AutoCloseable {
  private static final Duration COMMAND_MAX = Duration.ofSeconds(30);
  private static final String SETTINGS =
      """
      [databases]
      postgres = host=127.0.0.1 port=%d user=postgres \
      connect_query='SET idle_in_transaction_session_timeout = 5000'

      [pgbouncer]
      listen_addr = 127.0.0.1
      listen_port = %d
      unix_socket_dir =
      auth_type = any
      pool_mode = transaction
      default_pool_size = %d
      max_client_conn = 200
      ignore_startup_parameters = extra_float_digits
      """;

  private final Path root;
  private final Process process;
  private final int port;

  private PgBouncer(Path root, Process process, int port) {
    this.root = root;
    this.process = process;
    this.port = port;
  }

  /**
   * @param sessions of the server's, at most, for all clients
   */
  static PgBouncer before(Postgres database, int sessions) {
    try (ServerSocket any = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int port = any.getLocalPort();
      any.close();
      Path root = Files.createTempDirectory("turnkeeper-bouncer-");
      Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
      Path settings = root.resolve("pgbouncer.ini");
      Files.writeString(settings, SETTINGS.formatted(database.port(), port, sessions));
      List<String> command = new ArrayList<>(Postgres.unprivileged());
      command.addAll(List.of("/usr/sbin/pgbouncer", settings.toString()));
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(root.resolve("log").toFile())
              .start();
      PgBouncer bouncer = new PgBouncer(root, process, port);
      Awaitility.await("the pooler answers")
          .atMost(COMMAND_MAX)
          .failFast(Turnkeeper.read(root.resolve("log")), () -> !process.isAlive())
          .until(() -> answers(port));
      return bouncer;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean answers(int port) {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      return socket.isConnected();
    } catch (IOException notYet) {
      return false;
    }
  }

  String url() {
    return "postgresql://postgres@127.0.0.1:" + port + "/postgres";
  }

  @Override
  public void close() {
    process.destroy();
    try {
      assertThat(process.waitFor(COMMAND_MAX.toSeconds(), TimeUnit.SECONDS)).isTrue();
      Turnkeeper.removeTree(root);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
