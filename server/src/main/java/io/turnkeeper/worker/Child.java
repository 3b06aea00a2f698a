package io.turnkeeper.worker;

import io.turnkeeper.telemetry.LogField;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One agent process with all that it starts: a session and process group of its own, a scrubbed
 * environment, known to the warden from its first moment to its last.
 */
final class Child {
  private static final Logger LOG = LoggerFactory.getLogger(Child.class);
  private static final Duration STDERR_WITHIN = Duration.ofMillis(500);
  private static final int SIGNAL_BASE = 128;

  /** What makes a child more than its spec. */
  record Launch(WorkerSpec spec, Map<String, String> extraEnv, String marker, Path setsid) {}

  private final Process process;
  private final ProcessTable.Leader leader;
  private final String marker;
  private final Path tmp;
  private final Tail stderr;
  private final WardenLink warden;
  private final Thread stderrPump;
  private boolean reaped;

  private Child(Process process, Launch launch, Tail stderr, WardenLink warden) {
    this.process = process;
    this.marker = launch.marker();
    this.tmp = tmpOf(launch.spec());
    this.stderr = stderr;
    this.warden = warden;
    long start = ProcessTable.find(process.pid()).map(ProcessTable.Entry::startTicks).orElse(0L);
    leader = new ProcessTable.Leader(process.pid(), start);
    warden.add(leader);
    stderrPump = pump("stderr", this::readStderr);
  }

  static Child spawn(Launch launch, WorkersConfig config, WardenLink warden) throws WorkerFailure {
    WorkerSpec spec = launch.spec();
    Map<String, String> env = environment(launch);
    try {
      Files.createDirectories(spec.home());
      Files.createDirectories(spec.workDir());
      Files.createDirectories(tmpOf(spec));
    } catch (IOException e) {
      throw new WorkerFailure(
          "worker_start_failed", "the conversation's directories cannot be made: " + e);
    }
    List<String> command = new ArrayList<>();
    command.add(launch.setsid().toString());
    command.add(Programs.resolve(spec, env).toString());
    command.addAll(spec.command().subList(1, spec.command().size()));
    ProcessBuilder builder = new ProcessBuilder(command).directory(spec.workDir().toFile());
    builder.environment().clear();
    builder.environment().putAll(env);
    Tail stderr =
        new Tail(
            config.stderrTailBytes(),
            Secrets.inErrors(spec.env()).and(launch.extraEnv().get(CommandWorker.RUN_TOKEN)));
    try {
      return new Child(builder.start(), launch, stderr, warden);
    } catch (IOException | IllegalArgumentException e) {
      throw new WorkerFailure(
          "worker_start_failed",
          "the agent's process cannot be started: "
              + stderr.redact(String.valueOf(e.getMessage())));
    }
  }

  /** Beside HOME, not in it: what is temporary is not part of a snapshot. */
  private static Path tmpOf(WorkerSpec spec) {
    return spec.home().resolveSibling(spec.home().getFileName() + ".tmp");
  }

  private static Map<String, String> environment(Launch launch) {
    Map<String, String> env = new HashMap<>();
    env.put("PATH", System.getenv().getOrDefault("PATH", Programs.DEFAULT_PATH));
    env.put("LANG", "C.UTF-8");
    env.put("TERM", "dumb");
    env.putAll(launch.spec().env());
    env.put("HOME", launch.spec().home().toString());
    env.put("TMPDIR", tmpOf(launch.spec()).toString());
    env.putAll(launch.extraEnv());
    env.put(ProcessTable.MARKER, launch.marker());
    return env;
  }

  /**
   * Runs what blocks on a pipe. Platform threads: a blocked pipe read holds a virtual thread's
   * carrier, and there are few of those.
   */
  Thread pump(String name, Runnable body) {
    return Thread.ofPlatform()
        .daemon()
        .name("worker-" + process.pid() + "-" + name)
        .start(LogField.handedOn(body));
  }

  private void readStderr() {
    byte[] buffer = new byte[4096];
    try (InputStream in = process.getErrorStream()) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        stderr.write(buffer, n);
      }
    } catch (IOException e) {
      LOG.debug("stderr of process {} broke", process.pid(), e);
    }
  }

  InputStream stdout() {
    return process.getInputStream();
  }

  OutputStream stdin() {
    return process.getOutputStream();
  }

  Tail stderr() {
    return stderr;
  }

  long pid() {
    return process.pid();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** Waits for the first process only: the ones that it started may live on until {@link #kill}. */
  int awaitExit() throws InterruptedException {
    return process.waitFor();
  }

  boolean awaitExit(Duration atMost) throws InterruptedException {
    return process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Asks the whole group to end. */
  void term() {
    if (process.isAlive() && !Signals.toGroup(process.pid(), Signals.TERM)) {
      Signals.toProcess(process.pid(), Signals.TERM); // not the leader of its group yet
    }
  }

  /** Kills the group and whatever left it. Idempotent; returns when the signals are sent. */
  synchronized void kill() {
    if (reaped) {
      return;
    }
    if (process.isAlive()) {
      Signals.toProcess(process.pid(), Signals.KILL);
    }
    ProcessTable.kill(List.of(leader), marker);
    if (!process.isAlive()) {
      reaped = true;
      warden.remove(leader);
      deleteTmp();
    }
  }

  /**
   * Ends the process: end of input, then TERM, then KILL. Blocks until it is gone.
   *
   * @param inputGrace how long the end of input may take to work
   */
  void end(Duration inputGrace, Duration termGrace) {
    try {
      if (!awaitExit(inputGrace)) {
        term();
        if (!awaitExit(termGrace)) {
          kill();
          awaitExit(termGrace);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    kill();
  }

  long residentBytes() {
    return ProcessTable.residentBytes(process.pid());
  }

  /** The exit in words, with what stderr said last. For after {@link #kill}. */
  String obituary(int exitCode) throws InterruptedException {
    stderrPump.join(STDERR_WITHIN); // nobody holds the pipe any more, so its end comes
    String how =
        exitCode > SIGNAL_BASE
            ? "was killed by signal " + (exitCode - SIGNAL_BASE)
            : "exited with code " + exitCode;
    return how + quotedStderr();
  }

  String quotedStderr() {
    String tail = stderr.text();
    return tail.isEmpty() ? "; it wrote nothing to stderr" : "; its stderr ends with: " + tail;
  }

  private void deleteTmp() {
    if (!Files.exists(tmp)) {
      return;
    }
    try {
      Files.walkFileTree(
          tmp,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException failure)
                throws IOException {
              Files.deleteIfExists(dir);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      LOG.debug("{} cannot be deleted", tmp, e);
    }
  }
}
