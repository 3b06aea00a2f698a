package io.turnkeeper.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The product as it is delivered, started by its launcher. */
final class Replica implements AutoCloseable {
  private static final Pattern READY = Pattern.compile("is ready at http://127\\.0\\.0\\.1:(\\d+)");
  private static final Pattern KEY = Pattern.compile("key = \"([^\"]+)\"");

  /** A launcher that must build first takes minutes. */
  private static final int READY_SECONDS = 400;

  private static final int STOP_SECONDS = 20;

  private final Process process;
  private final Path data;
  private final int port;
  private final double readyAfterSeconds;

  private Replica(Process process, Path data, int port, double readyAfterSeconds) {
    this.process = process;
    this.data = data;
    this.port = port;
    this.readyAfterSeconds = readyAfterSeconds;
  }

  /**
   * @param database null for the embedded one, in the data directory
   */
  static Replica start(Lab lab, Path data, @Nullable Database database) {
    Path out = lab.scratch("replica-out");
    List<String> words = new ArrayList<>();
    words.add(lab.root().resolve("turnkeeper").toString());
    words.addAll(List.of("up", "--port", "0", "--data", data.toString()));
    if (database != null) {
      words.addAll(List.of("--database-url", database.url()));
    }
    try {
      long start = System.nanoTime();
      Process process =
          new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(out.toFile()).start();
      Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
      int[] port = {0};
      boolean ready =
          Threads.await(5, READY_SECONDS, () -> (port[0] = port(out)) > 0 || !process.isAlive());
      double seconds = (System.nanoTime() - start) / 1e9;
      if (!ready || port[0] == 0) {
        process.destroyForcibly();
        throw new IllegalStateException("no replica: " + Files.readString(out));
      }
      return new Replica(process, data, port[0], seconds);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private static int port(Path out) {
    try {
      Matcher ready = READY.matcher(Files.readString(out));
      return ready.find() ? Integer.parseInt(ready.group(1)) : 0;
    } catch (IOException notYet) {
      return 0;
    }
  }

  double readyAfterSeconds() {
    return readyAfterSeconds;
  }

  long residentBytes() {
    return Proc.residentBytes(process.pid());
  }

  Wire wire() {
    try {
      Matcher key = KEY.matcher(Files.readString(data.resolve("credentials")));
      if (!key.find()) {
        throw new IllegalStateException("no key in the credentials");
      }
      return new Wire(port, key.group(1));
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }
}
