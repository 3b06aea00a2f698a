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

  /** About a third of the server's share of a processor that both want. */
  private static final int NICE = 5;

  /**
   * What makes a child more than its spec.
   *
   * @param marker in its environment, and no other's
   * @param previousCwd where an earlier session was; null: there was none
   * @param first whether nothing has been started for this worker yet
   */
  record Launch(
      WorkerSpec spec,
      Map<String, String> extraEnv,
      String marker,
      @Nullable String previousCwd,
      boolean first) {
    /** As a name of something: without the marker's end. */
    String name() {
      return marker.replaceAll("[^A-Za-z0-9]+", "-").replaceAll("-$", "");
    }
  }

  /** What it is started with. */
  record With(Starter starter, Spawner spawner, WorkersConfig config, WardenLink warden) {}

  private final Process process;
  private final ProcessTable.Leader leader;
  private final Launch launch;
  private final Starter starter;
  private final Room disk;
  private final Room room;
  private final Tail stderr;
  private final WardenLink warden;
  private final Thread stderrPump;
  private volatile @Nullable WorkerFailure verdict;
  private boolean reaped;

  private Child(Process process, Launch launch, Room room, Tail stderr, With with) {
    this.process = process;
    this.launch = launch;
    this.starter = with.starter();
    this.disk = Room.of(launch.spec());
    this.room = room;
    this.stderr = stderr;
    this.warden = with.warden();
    long start = ProcessTable.find(process.pid()).map(ProcessTable.Entry::startTicks).orElse(0L);
    leader = new ProcessTable.Leader(process.pid(), start);
    warden.add(leader);
    if (!limits().equals(Walls.Limits.NONE)) {
      Signals.makeNice(process.pid(), NICE);
    }
    stderrPump = pump("stderr", this::readStderr);
  }

  static Child spawn(Launch launch, With with) throws WorkerFailure {
    WorkerSpec spec = launch.spec();
    Starter starter = with.starter();
    Room room = starter.room(spec, launch.previousCwd());
    Map<String, String> env = environment(launch, starter.environment(room));
    starter.furnish(spec, launch.first());
    Path program = Programs.resolve(spec, env);
    List<String> command = starter.command(spec, room, program, launch.name());
    ProcessBuilder builder = new ProcessBuilder(command).directory(spec.workDir().toFile());
    builder.environment().clear();
    builder.environment().putAll(env);
    Tail stderr =
        new Tail(
            with.config().stderrTailBytes(),
            Secrets.inErrors(spec.env()).and(launch.extraEnv().get(CommandWorker.RUN_TOKEN)));
    try {
      return new Child(with.spawner().start(builder), launch, room, stderr, with);
    } catch (IOException | IllegalArgumentException e) {
      throw new WorkerFailure(
          "worker_start_failed",
          "the agent's process cannot be started: "
              + stderr.redact(String.valueOf(e.getMessage())));
    }
  }

  private static Map<String, String> environment(Launch launch, Map<String, String> walls) {
    Map<String, String> env = new HashMap<>();
    env.put("PATH", Programs.path());
    env.put("LANG", "C.UTF-8");
    env.put("TERM", "dumb");
    env.putAll(launch.spec().env());
    env.putAll(walls);
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

  /** Where the agent finds itself. */
  Path workDir() {
    return room.workDir();
  }

  WorkerSpec spec() {
    return launch.spec();
  }

  Walls.Limits limits() {
    return starter.limits(launch.spec());
  }

  /** Where on this disk it may write. */
  List<Path> places() {
    return disk.workDir().startsWith(disk.home())
        ? List.of(disk.home(), disk.tmp())
        : List.of(disk.home(), disk.workDir(), disk.tmp());
  }

  /** It took more than it may: ends it, and says so to whoever waits for it. */
  void condemn(WorkerFailure why) {
    if (verdict == null) {
      verdict = why;
      LOG.warn("a worker is ended: {}", why.code());
      kill();
    }
  }

  /** Why it was ended for what it took; null when it was not. */
  @Nullable WorkerFailure verdict() {
    return verdict;
  }

  /** Asks the whole group to end. */
  void term() {
    if (starter.sandbox().isPresent()) {
      termInside();
    } else if (process.isAlive() && !Signals.toGroup(process.pid(), Signals.TERM)) {
      Signals.toProcess(process.pid(), Signals.TERM); // not the leader of its group yet
    }
  }

  /**
   * Those that make the sandbox are spared: they end with the agent, and all in it would be killed
   * with them.
   */
  private void termInside() {
    List<ProcessTable.Entry> family = ProcessTable.family(process.pid(), ProcessTable.all());
    family.stream()
        .filter(entry -> entry.pid() != process.pid() && entry.parent() != process.pid())
        .forEach(entry -> Signals.toProcess(entry.pid(), Signals.TERM));
    if (family.size() <= 1 && process.isAlive()) {
      Signals.toProcess(process.pid(), Signals.TERM); // there is no agent in it yet
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
    ProcessTable.kill(List.of(leader), launch.marker());
    if (!process.isAlive()) {
      reaped = true;
      warden.remove(leader);
      deleteTree(disk.tmp());
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
    if (exitCode == SIGNAL_BASE + Signals.KILL && limits().memory() > 0) {
      how +=
          ", by the system, which does so when memory runs out (it may have %d MiB)"
              .formatted(limits().memory() >> 20);
    }
    return how + quotedStderr();
  }

  String quotedStderr() {
    String tail = stderr.text();
    return tail.isEmpty() ? "; it wrote nothing to stderr" : "; its stderr ends with: " + tail;
  }

  /** Links are removed, not followed. */
  static void deleteTree(Path root) {
    if (!Files.exists(root)) {
      return;
    }
    try {
      Files.walkFileTree(
          root,
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
      LOG.debug("{} cannot be deleted", root, e);
    }
  }
}
