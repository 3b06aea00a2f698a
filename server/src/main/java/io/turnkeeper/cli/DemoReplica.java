package io.turnkeeper.cli;

import io.turnkeeper.db.DatabaseUrl;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A replica as a process of its own, started as a person would start it. */
final class DemoReplica implements AutoCloseable {
  private static final Duration START_WITHIN = Duration.ofSeconds(120);
  private static final Duration STOP_WITHIN = Duration.ofSeconds(20);
  private static final String READY = "turnkeeper is ready at ";

  private final Process process;
  private final CompletableFuture<String> ready = new CompletableFuture<>();
  private volatile String url = "";

  private DemoReplica(Process process) {
    this.process = process;
    Thread.ofVirtual().name("demo-replica-output").start(() -> watch(process, ready));
  }

  /** The program that this process runs, without arguments: the same JVM, the same jar. */
  static List<String> java(String... flags) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(flags));
    // What makes this process start fast makes the others start fast.
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(flag -> flag.startsWith("-XX:AOTCache=") || flag.endsWith("CompactObjectHeaders"))
        .forEach(command::add);
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    return command;
  }

  /** Returns at once; {@link #awaitReady} waits. */
  static DemoReplica launch(Path data, Path log, DatabaseUrl database) throws IOException {
    List<String> command = java("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m");
    command.addAll(
        List.of(
            Main.class.getName(),
            "up",
            "--port",
            "0",
            "--data",
            data.toString(),
            "--set",
            "drain-timeout=5s",
            // Its agent is ours, and shows its number as the machine knows it.
            "--set",
            "worker.sandbox=none",
            "--set",
            "log.format=text"));
    ProcessBuilder builder = new ProcessBuilder(command);
    // The settings of the person's own replica are not the demo's.
    builder.environment().keySet().removeIf(name -> name.startsWith("TURNKEEPER_"));
    // It holds a password: others can see flags.
    builder.environment().put("TURNKEEPER_DATABASE_URL", withPassword(database));
    builder.redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
    return new DemoReplica(builder.start());
  }

  /**
   * @throws Failure when it does not become ready in time
   */
  void awaitReady() throws InterruptedException {
    try {
      url = ready.get(START_WITHIN.toSeconds(), TimeUnit.SECONDS);
    } catch (TimeoutException late) {
      throw new Failure(
          ExitCode.FAILED, "the replica was not ready within " + START_WITHIN.toSeconds() + " s");
    } catch (ExecutionException ended) {
      throw new Failure(ExitCode.FAILED, "the replica did not start");
    }
  }

  private static String withPassword(DatabaseUrl url) {
    return "postgresql://%s:%s@%s"
        .formatted(
            url.user().orElse(""),
            url.password().orElse(""),
            url.jdbcUrl().substring("jdbc:postgresql://".length()));
  }

  /** Known once it is ready. */
  String url() {
    return url;
  }

  long pid() {
    return process.pid();
  }

  /** Sends TERM and waits; a replica that does not end by itself, or not well, is a failure. */
  void stop() throws InterruptedException {
    process.destroy();
    if (!process.waitFor(STOP_WITHIN.toSeconds(), TimeUnit.SECONDS)) {
      throw new Failure(
          ExitCode.FAILED, "the replica did not stop within " + STOP_WITHIN.toSeconds() + " s");
    }
    if (process.exitValue() != 0) {
      throw new Failure(
          ExitCode.FAILED, "the replica stopped with exit status " + process.exitValue());
    }
  }

  /** Ends it as a lost machine does: no goodbye. */
  void kill() {
    process.destroyForcibly();
  }

  /** Sends TERM; {@link #close} then waits. */
  void tell() {
    process.destroy();
  }

  @Override
  public void close() {
    end(process);
  }

  private static void end(Process process) {
    process.destroy();
    try {
      if (!process.waitFor(STOP_WITHIN.toSeconds(), TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
    } catch (InterruptedException stopped) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }

  private static void watch(Process process, CompletableFuture<String> ready) {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line = lines.readLine();
      while (line != null) {
        if (line.startsWith(READY)) {
          ready.complete(line.substring(READY.length()).strip());
        }
        line = lines.readLine();
      }
    } catch (IOException gone) {
      // The process ended: said below.
    }
    ready.completeExceptionally(new IOException("ended"));
  }

  /** The last lines of a log, for a person who wants to know why. */
  static List<String> tail(Path log, int lines) {
    try {
      List<String> all = Files.readAllLines(log, StandardCharsets.UTF_8);
      return all.subList(Math.max(0, all.size() - lines), all.size());
    } catch (IOException none) {
      return List.of();
    }
  }
}
