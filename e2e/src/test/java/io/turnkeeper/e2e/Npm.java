package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;

/** What e2e/npm/install put into the build folder, and how to run it. */
final class Npm {
  private Npm() {}

  static Path home() {
    Path home = Path.of(System.getProperty("turnkeeper.npm")).toAbsolutePath().normalize();
    assertThat(home.resolve("node_modules")).as("run e2e/npm/install first").isDirectory();
    return home;
  }

  static String program(String name) {
    return home().resolve("node_modules/.bin").resolve(name).toString();
  }

  /** A program that runs until it is closed; its output goes to a file. */
  record Running(Process process, Path output) implements AutoCloseable {
    Matcher waitFor(Pattern line) {
      Awaitility.await(line.pattern())
          .atMost(Duration.ofSeconds(90))
          .pollInterval(Duration.ofMillis(100))
          .failFast(
              "the program ended",
              () ->
                  assertThat(process.isAlive()).as("alive:\n%s", Turnkeeper.read(output)).isTrue())
          .until(() -> line.matcher(Turnkeeper.read(output)).find());
      Matcher found = line.matcher(Turnkeeper.read(output));
      assertThat(found.find()).isTrue();
      return found;
    }

    @Override
    public void close() {
      List<ProcessHandle> children = process.descendants().toList();
      process.destroy();
      children.forEach(ProcessHandle::destroy);
      try {
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
          process.destroyForcibly();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      children.forEach(ProcessHandle::destroyForcibly);
    }
  }

  static Running start(Path folder, Path output, Map<String, String> environment, String... words) {
    try {
      ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(List.of(words)));
      builder.environment().putAll(environment);
      builder.directory(folder.toFile()).redirectErrorStream(true).redirectOutput(output.toFile());
      return new Running(builder.start(), output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The mock model server. Its port is in {@link #port}. */
  static Running mockModel(Path scratch) {
    return start(home(), scratch.resolve("model.log"), Map.of(), "node", "mock-model.mjs");
  }

  static int port(Running model) {
    return Integer.parseInt(model.waitFor(Pattern.compile("ready (\\d+)")).group(1));
  }

  /** Processes of this machine whose command line fits. */
  static List<ProcessHandle> processes(Predicate<String> commandLine) {
    return ProcessHandle.allProcesses()
        .filter(it -> it.info().commandLine().filter(commandLine).isPresent())
        .toList();
  }
}
