package io.turnkeeper.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;

/**
 * The JVMs that the product runs in, flagged as the launcher flags them, but with less memory, and
 * with the compiler that is soon done: nothing here runs for long.
 */
final class Jvm {
  private static final Duration TRAINED_WITHIN = Duration.ofSeconds(120);
  private static final String HEADERS = "-XX:+UseCompactObjectHeaders";
  private static Optional<List<String>> cached = Optional.empty();

  private Jvm() {}

  static Path jar() {
    return Path.of(System.getProperty("turnkeeper.jar")).toAbsolutePath().normalize();
  }

  /** The program and its flags for the subcommand. */
  static List<String> flags(String subcommand) {
    List<String> flags = new ArrayList<>();
    flags.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    flags.addAll(List.of("-Xmx512m", HEADERS, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
    if (subcommand.equals("up")) {
      flags.add("-XX:+ExitOnOutOfMemoryError");
    }
    return flags;
  }

  /**
   * The flags that start from the classes as one start left them: the tests start hundreds of JVMs.
   */
  static synchronized List<String> cached() {
    if (cached.isEmpty()) {
      cached = Optional.of(cache());
    }
    return cached.get();
  }

  private static List<String> cache() {
    try {
      Path scratch = Files.createTempDirectory("turnkeeper-e2e-");
      Path cache = scratch.resolve("cache");
      Path said = scratch.resolve("said");
      Path data = scratch.resolve("data");
      List<String> command = new ArrayList<>(flags("up"));
      command.addAll(List.of("-XX:AOTCacheOutput=" + cache, "-jar", jar().toString()));
      command.addAll(List.of("up", "--port", "0", "--data", data.toString()));
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(said.toFile())
              .start();
      try {
        Awaitility.await("a replica to learn the classes from")
            .atMost(TRAINED_WITHIN)
            .until(() -> !process.isAlive() || Turnkeeper.read(said).contains("ready at"));
        process.destroy();
        if (!process.waitFor(TRAINED_WITHIN.toSeconds(), TimeUnit.SECONDS)) {
          throw new IllegalStateException("the replica does not end: " + Turnkeeper.read(said));
        }
      } finally {
        process.destroyForcibly();
        Turnkeeper.removeTree(data);
      }
      Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(scratch)));
      // None where the program is not a jar.
      return Files.exists(cache)
          ? List.of("-XX:AOTCache=" + cache, "-Xlog:disable", "-Xlog:all=error:stderr")
          : List.of();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private static void remove(Path tree) {
    try {
      Turnkeeper.removeTree(tree);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
