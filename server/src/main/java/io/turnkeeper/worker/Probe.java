package io.turnkeeper.worker;

import io.turnkeeper.worker.Bubblewrap.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Finds out what of the walls can be had on this machine, by starting a worker within them. */
final class Probe {
  private static final Duration WITHIN = Duration.ofSeconds(10);

  /** Prints what a worker sees of itself and of the machine, a word and its value a line. */
  private static final String LOOK =
      """
      echo "uid $(id -u)"
      for n in pid mnt ipc net; do echo "ns $n $(readlink /proc/self/ns/$n)"; done
      n=0; for p in /proc/[0-9]*; do n=$((n+1)); done; echo "processes $n"
      for i in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 30 40 50 60 70 80 90 100; do
        if [ -e /proc/$$/fd/$i ]; then echo "fd $i"; fi
      done
      env | while IFS= read -r line; do echo "env ${line%%=*}"; done
      if [ -w /usr ]; then echo "writes /usr"; fi
      if [ -e "$0/seen" ]; then echo "sees $0"; fi
      if : > "$HOME/probe"; then echo "writes home"; fi
      while IFS= read -r line; do echo "limit $line"; done < /proc/self/limits
      echo "end"
      """;

  private static final String LOOK_AT_GROUP =
      """
      p=$(sed -n 's/^0:://p' /proc/self/cgroup)
      for f in memory.max pids.max cpu.max; do echo "$f $(cat "/sys/fs/cgroup$p/$f")"; done
      """;

  private final Programs.Found programs;
  private final Walls walls;
  private final Path data;

  Probe(Programs.Found programs, Walls walls, Path data) {
    this.programs = programs;
    this.walls = walls;
    this.data = data.toAbsolutePath();
  }

  /**
   * What was found.
   *
   * @param starter the best there is of what is wanted
   * @param inside what a worker in the sandbox sees; empty without one
   * @param whyNot why there is no sandbox; empty when there is one, or none is wanted
   * @param whyNoScope the same of systemd's scopes
   */
  record Found(Starter starter, Optional<Look> inside, String whyNot, String whyNoScope) {}

  /** What a try showed: what it printed, or why it failed. */
  record Tried(Optional<Look> look, String why) {}

  Found run() {
    StringBuilder whyNoScope = new StringBuilder();
    Optional<Scope> scope = scope(whyNoScope);
    if (walls.sandbox() == Walls.Mode.NONE) {
      return open(scope, "", whyNoScope.toString());
    }
    if (programs.bwrap().isEmpty()) {
      return open(scope, "bubblewrap is not installed", whyNoScope.toString());
    }
    List<String> reasons = new ArrayList<>();
    for (Kind kind : kinds()) {
      Bubblewrap sandbox = new Bubblewrap(programs, kind, walls, data);
      Starter starter = new Starter(programs, walls, Optional.of(sandbox), scope);
      Tried tried = attempt(starter, true);
      Optional<Look> closed = tried.look().filter(it -> it.isClosed(Look.ofThisProcess()));
      if (closed.isPresent()) {
        return new Found(starter, closed, "", whyNoScope.toString());
      }
      reasons.add(tried.why().isEmpty() ? "it does not close workers in" : tried.why());
    }
    return open(scope, String.join("; ", reasons), whyNoScope.toString());
  }

  private Found open(Optional<Scope> scope, String whyNot, String whyNoScope) {
    Starter starter = new Starter(programs, walls, Optional.empty(), scope);
    return new Found(starter, Optional.empty(), whyNot, whyNoScope);
  }

  private List<Kind> kinds() {
    if (!Limit.isRoot()) {
      return List.of(Kind.USER_NAMESPACE);
    }
    return walls.firstUid() > 0 && programs.setpriv().isPresent()
        ? List.of(Kind.OWN_USER, Kind.ROOT, Kind.USER_NAMESPACE)
        : List.of(Kind.ROOT, Kind.USER_NAMESPACE);
  }

  /** Starts what a worker would be and looks around in it. */
  Tried attempt(Starter starter, boolean network) {
    Path place = null;
    try {
      // Beside what must not be seen, if that is there.
      place =
          Files.isWritable(data.resolve("conversations"))
              ? Files.createTempDirectory(data, "probe")
              : Files.createTempDirectory("turnkeeper-probe");
      Path outside = Files.createDirectories(place.resolve("outside"));
      Files.createFile(outside.resolve("seen"));
      WorkerSpec spec =
          new WorkerSpec(
              WorkerSpec.Kind.COMMAND,
              List.of("/bin/sh", "-c", LOOK, outside.toString()),
              Map.of(),
              place.resolve("home"),
              place.resolve("home/work"),
              WorkerSpec.Permissions.DENY,
              WITHIN,
              new WorkerSpec.Reach(0, null, network, 0));
      starter.furnish(spec, true);
      Room room = starter.room(spec, null);
      List<String> command = starter.command(spec, room, Path.of("/bin/sh"), "probe-" + nonce());
      ProcessBuilder builder = new ProcessBuilder(command).directory(spec.workDir().toFile());
      builder.environment().clear();
      builder.environment().put("PATH", Programs.path());
      builder.environment().putAll(starter.environment(room));
      return tried(builder, place);
    } catch (IOException | UncheckedIOException | WorkerFailure e) {
      return new Tried(Optional.empty(), String.valueOf(e.getMessage()));
    } finally {
      if (place != null) {
        Child.deleteTree(place);
      }
    }
  }

  private static long nonce() {
    return ProcessHandle.current().pid() * 1_000_000L + System.nanoTime() % 1_000_000L;
  }

  private static Tried tried(ProcessBuilder builder, Path place) throws IOException {
    Path out = place.resolve("out");
    Path err = place.resolve("err");
    Process process =
        builder
            .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    try {
      if (!process.waitFor(WITHIN.toMillis(), TimeUnit.MILLISECONDS)) {
        process.destroyForcibly();
        return new Tried(Optional.empty(), "it did not end within " + WITHIN.toSeconds() + " s");
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      return new Tried(Optional.empty(), "interrupted");
    }
    Look look = Look.parse(Files.readAllLines(out, StandardCharsets.UTF_8));
    String complaint = Files.readString(err, StandardCharsets.UTF_8).strip();
    if (process.exitValue() == 0 && look.whole()) {
      return new Tried(Optional.of(look), "");
    }
    return new Tried(
        Optional.empty(),
        complaint.isEmpty()
            ? "it ended with exit code " + process.exitValue()
            : complaint.lines().findFirst().orElse(""));
  }

  private Optional<Scope> scope(StringBuilder why) {
    Walls.Limits limits = walls.limits();
    if (limits.equals(Walls.Limits.NONE)) {
      return Optional.empty();
    }
    Optional<Scope> scope = Scope.of(programs, Limit.isRoot());
    if (scope.isEmpty()) {
      why.append("systemd does not run this machine, or has no session for this user");
      return scope;
    }
    Path place = null;
    try {
      place = Files.createTempDirectory("turnkeeper-probe");
      List<String> command = new ArrayList<>(scope.get().before("probe-" + nonce(), limits));
      command.addAll(List.of("/bin/sh", "-c", LOOK_AT_GROUP));
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().clear();
      builder.environment().put("PATH", Programs.path());
      builder.environment().putAll(scope.get().environment());
      Path out = place.resolve("out");
      String refused = tried(builder, place).why();
      String said = Files.readString(out, StandardCharsets.UTF_8);
      if (said.contains("memory.max " + limits.memory())) {
        return scope;
      }
      why.append("systemd-run does not hold a process to its memory: ").append(refused);
    } catch (IOException e) {
      why.append("systemd-run cannot be tried: ").append(e.getMessage());
    } finally {
      if (place != null) {
        Child.deleteTree(place);
      }
    }
    return Optional.empty();
  }
}
