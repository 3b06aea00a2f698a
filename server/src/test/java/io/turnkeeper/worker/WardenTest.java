package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Real processes: a JVM that owns workers is killed or stopped, and its workers must die. */
@Timeout(60)
@Promise(1)
final class WardenTest {
  private static final Duration TTL = Duration.ofMillis(3000);
  private static final int SIGSTOP = 19;

  /** From three quarters of the grace, when a replica fences itself, to the grace. */
  private static final Duration FIFTY_MAX = Duration.ofMillis(100);

  @TempDir Path dir;

  /** A replica in small: starts one command worker, and beats. Prints the pids of its processes. */
  static final class Owner {
    static void main(String[] args) throws Exception {
      Workers workers = Workers.open(WorkersConfig.defaults(args[0], TTL), Clock.system());
      Thread.ofPlatform()
          .daemon()
          .start(() -> {
            while (true) {
              workers.beat(Duration.ZERO);
              try {
                Thread.sleep(100);
              } catch (InterruptedException e) {
                return;
              }
            }
          });
      Worker worker = worker(workers, Path.of(args[1]));
      worker.prompt(turn(), new Printer());
    }
  }

  private static Worker worker(Workers workers, Path dir) throws Exception {
    // One child in the group, one that left it.
    String script = "sleep 600 & a=$!; setsid sleep 601 & echo $$ $a $!; wait";
    return workers.start(
        new WorkerSpec(
            WorkerSpec.Kind.COMMAND,
            List.of("/bin/sh", "-c", script),
            Map.of(),
            dir.resolve("home"),
            dir.resolve("work"),
            WorkerSpec.Permissions.ALLOW,
            Duration.ofSeconds(20)),
        null,
        "");
  }

  private static Turn turn() {
    return new Turn("r", "t", 1, false, Json.object());
  }

  private static class Printer implements TurnListener {
    @Override
    public void update(tools.jackson.databind.node.ObjectNode update) {
      System.out.print(update.path("content").path("text").asString());
      System.out.flush();
    }

    @Override
    public void permissionRequested(PermissionRequest request) {}

    @Override
    public void permissionResolved(PermissionResolved resolved) {}

    @Override
    public void progress() {}

    @Override
    public void late(tools.jackson.databind.node.ObjectNode update) {}
  }

  private record Owned(Process owner, List<Long> pids) {}

  private Owned owner(String name) throws Exception {
    Process owner =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Owner.class.getName(),
                name + "-" + ProcessHandle.current().pid(),
                dir.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    BufferedReader out =
        new BufferedReader(
            new InputStreamReader(owner.getInputStream(), StandardCharsets.US_ASCII));
    String line = out.readLine();
    while (line != null && !line.matches("[0-9 ]+")) {
      line = out.readLine(); // its log
    }
    assertThat(line).isNotNull();
    List<Long> pids = new ArrayList<>();
    for (String pid : String.valueOf(line).strip().split(" +")) {
      pids.add(Long.parseLong(pid));
    }
    return new Owned(owner, pids);
  }

  @Test
  void workers_die_at_once_when_their_replica_is_killed() throws Exception {
    Owned owned = owner("killed");
    for (long pid : owned.pids()) {
      assertThat(ProcessTable.find(pid)).isPresent();
    }
    long before = System.nanoTime();
    owned.owner().destroyForcibly().waitFor();
    for (long pid : owned.pids()) {
      Processes.awaitGone(pid);
    }
    assertThat(Duration.ofNanos(System.nanoTime() - before))
        .isLessThan(TTL.multipliedBy(2).dividedBy(3));
  }

  @Test
  void workers_die_before_the_ttl_ends_when_their_replica_is_stopped() throws Exception {
    Owned owned = owner("stopped");
    try {
      long before = System.nanoTime();
      Signals.toProcess(owned.owner().pid(), SIGSTOP);
      for (long pid : owned.pids()) {
        Processes.awaitGone(pid);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(TTL);
    } finally {
      owned.owner().destroyForcibly();
    }
  }

  @Test
  void silence_ends_the_turn_and_new_workers_may_start_after_it() throws Exception {
    String replica = "silent-" + ProcessHandle.current().pid();
    try (Workers workers =
        Workers.open(WorkersConfig.defaults(replica, Duration.ofMillis(600)), Clock.system())) {
      Worker worker = worker(workers, dir);
      TurnEnd end = worker.prompt(turn(), new Recorder());
      assertThat(((TurnEnd.Failed) end).message()).contains("killed by signal 9");
      workers.beat(Duration.ZERO);
      assertThat(worker.prompt(turn(), new Recorder())).isInstanceOf(TurnEnd.Failed.class);
    }
  }

  @Test
  void a_warden_that_dies_is_replaced_by_one_that_knows_the_workers() throws Exception {
    String replica = "replaced-" + ProcessHandle.current().pid();
    try (Workers workers =
        Workers.open(WorkersConfig.defaults(replica, Duration.ofSeconds(6)), Clock.system())) {
      Worker worker = worker(workers, dir);
      Recorder told = new Recorder();
      CompletableFuture<TurnEnd> end = new CompletableFuture<>();
      Thread.ofVirtual()
          .start(() -> {
            try {
              end.complete(worker.prompt(turn(), told));
            } catch (InterruptedException e) {
              end.completeExceptionally(e);
            }
          });
      told.await(() -> told.updates.size() == 1);
      warden(replica).destroyForcibly();
      // No beat is ever sent: only another warden can end this turn.
      assertThat(((TurnEnd.Failed) end.get(30, TimeUnit.SECONDS)).message())
          .contains("killed by signal 9");
    }
  }

  @Test
  void a_fenced_replica_kills_everything_at_once() throws Exception {
    String replica = "fenced-" + ProcessHandle.current().pid();
    try (Workers workers =
        Workers.open(WorkersConfig.defaults(replica, Duration.ofMinutes(10)), Clock.system())) {
      CountDownLatch started = new CountDownLatch(2);
      List<Thread> turns = new ArrayList<>();
      List<TurnEnd> ends = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        Worker worker = worker(workers, dir.resolve("w" + i));
        turns.add(
            Thread.ofVirtual()
                .start(() -> {
                  try {
                    TurnEnd end =
                        worker.prompt(
                            turn(),
                            new Printer() {
                              @Override
                              public void update(tools.jackson.databind.node.ObjectNode update) {
                                started.countDown();
                              }
                            });
                    synchronized (ends) {
                      ends.add(end);
                    }
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                }));
      }
      assertThat(started.await(20, TimeUnit.SECONDS)).isTrue();
      workers.killAll();
      for (Thread turn : turns) {
        assertThat(turn.join(Duration.ofSeconds(20))).isTrue();
      }
      assertThat(ends)
          .hasSize(2)
          .allSatisfy(end -> assertThat(((TurnEnd.Failed) end).code()).isEqualTo("worker_killed"));
    }
  }

  @Test
  void fifty_workers_are_dead_before_anybody_may_take_over() throws Exception {
    String replica = "fifty-" + ProcessHandle.current().pid();
    long best = Long.MAX_VALUE;
    try (Workers workers =
        Workers.open(WorkersConfig.defaults(replica, Duration.ofMinutes(10)), Clock.system())) {
      // The best of some: other programs may be at work here too.
      for (int trial = 0; trial < 3 && best > FIFTY_MAX.toNanos(); trial++) {
        int count = 50;
        List<Long> pids = new CopyOnWriteArrayList<>();
        List<Thread> turns = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          Worker worker = sleeper(workers, dir.resolve(trial + "-" + i));
          turns.add(Thread.ofVirtual().start(() -> promptFor(worker, pids)));
        }
        Processes.await(() -> pids.size() == count);
        long before = System.nanoTime();
        workers.killAll();
        long took = System.nanoTime() - before;
        for (long pid : pids) {
          Processes.awaitGone(pid);
        }
        best = Math.min(best, took);
        for (Thread turn : turns) {
          assertThat(turn.join(Duration.ofSeconds(20))).isTrue();
        }
      }
    }
    assertThat(Duration.ofNanos(best)).isLessThan(FIFTY_MAX);
  }

  private static Worker sleeper(Workers workers, Path dir) throws Exception {
    return workers.start(
        new WorkerSpec(
            WorkerSpec.Kind.COMMAND,
            List.of("/bin/sh", "-c", "echo $$; exec sleep 600"),
            Map.of(),
            dir.resolve("home"),
            dir.resolve("work"),
            WorkerSpec.Permissions.ALLOW,
            Duration.ofSeconds(20)),
        null,
        "");
  }

  private static void promptFor(Worker worker, List<Long> pids) {
    try {
      worker.prompt(
          turn(),
          new Printer() {
            @Override
            public void update(tools.jackson.databind.node.ObjectNode update) {
              pids.add(Long.parseLong(update.path("content").path("text").asString().strip()));
            }
          });
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void a_warden_that_stands_still_is_replaced_and_nobody_waits_for_it() throws Exception {
    String replica = "still-" + ProcessHandle.current().pid();
    Duration ttl = Duration.ofSeconds(3);
    try (Workers workers = Workers.open(WorkersConfig.defaults(replica, ttl), Clock.system())) {
      List<Long> pids = new CopyOnWriteArrayList<>();
      Worker worker = sleeper(workers, dir);
      Thread turn = Thread.ofVirtual().start(() -> promptFor(worker, pids));
      Processes.await(() -> pids.size() == 1);
      ProcessHandle warden = warden(replica);
      Signals.toProcess(warden.pid(), SIGSTOP);
      long before = System.nanoTime();
      // More than a pipe holds.
      for (int beat = 0; beat < 10_000; beat++) {
        workers.beat(Duration.ZERO);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(ttl);
      Processes.await(() -> {
        workers.beat(Duration.ZERO);
        return !warden.isAlive() && findWarden(replica).isPresent();
      });
      assertThat(ProcessTable.find(pids.getFirst())).isPresent();
      // No beat any more: the new one knows the worker.
      assertThat(turn.join(Duration.ofSeconds(20))).isTrue();
    }
  }

  @Test
  void silence_kills_also_what_the_warden_was_never_told_of() throws Exception {
    String replica = "untold-" + ProcessHandle.current().pid();
    try (Workers workers =
        Workers.open(WorkersConfig.defaults(replica, Duration.ofMillis(900)), Clock.system())) {
      ProcessBuilder builder = new ProcessBuilder("setsid", "sleep", "600");
      builder.environment().put(ProcessTable.MARKER, replica + ".1.");
      // The warden may take a moment to listen; then the beat has its age.
      workers.beat(Duration.ZERO);
      Process untold = builder.start();
      try {
        assertThat(untold.waitFor(20, TimeUnit.SECONDS)).isTrue();
      } finally {
        untold.destroyForcibly();
      }
    }
  }

  private static ProcessHandle warden(String replica) {
    return findWarden(replica).orElseThrow();
  }

  private static Optional<ProcessHandle> findWarden(String replica) {
    return ProcessHandle.current()
        .children()
        .filter(child -> child.info().commandLine().orElse("").contains(replica + "."))
        .findFirst();
  }

  @Test
  void a_process_that_only_got_a_dead_workers_number_is_left_alone() throws Exception {
    Process stranger = new ProcessBuilder("setsid", "sleep", "600").start();
    try {
      ProcessTable.Leader former = new ProcessTable.Leader(stranger.pid(), 12345);
      assertThat(ProcessTable.kill(List.of(former), "nobody.1.")).isZero();
      assertThat(stranger.isAlive()).isTrue();
    } finally {
      stranger.destroyForcibly();
    }
  }
}
