package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Hostile workers, on real processes: each harms only its own run. What needs a sandbox is assumed
 * to have one, as this machine lets it; the limits are tried with one and without.
 */
@Timeout(90)
final class SandboxTest {
  private static final long MIB = 1L << 20;
  private static final Walls.Limits LIMITS = new Walls.Limits(96 * MIB, 0, 200, 256, 12 * MIB);

  @TempDir static Path data;
  private static Workers closed;
  private static Workers open;
  private static boolean sandbox;
  private static int next;

  @BeforeAll
  static void start() throws IOException {
    Files.createDirectories(data.resolve("conversations"));
    closed = workers(Walls.Mode.AUTO, LIMITS);
    open = workers(Walls.Mode.NONE, LIMITS);
    sandbox = probe(Walls.Mode.AUTO).starter().sandbox().isPresent();
  }

  private static Walls walls(Walls.Mode mode, Walls.Limits limits) {
    return new Walls(mode, true, List.of(Path.of(FakeAgent.testClasses())), 70_000, limits);
  }

  private static Workers workers(Walls.Mode mode, Walls.Limits limits) {
    return Workers.open(
        WorkersConfig.of(
                "sandbox-" + mode + "-" + ProcessHandle.current().pid(),
                Duration.ofMinutes(10),
                Duration.ofMillis(300),
                Duration.ofSeconds(2))
            .at(data)
            .within(walls(mode, limits)),
        Clock.system());
  }

  private static Probe.Found probe(Walls.Mode mode) {
    return new Probe(Programs.find(), walls(mode, LIMITS), data).run();
  }

  @AfterAll
  static void stop() {
    closed.close();
    open.close();
  }

  private static Workers of(Walls.Mode mode) {
    return mode == Walls.Mode.NONE ? open : closed;
  }

  /** A conversation with a place of its own, and a number of its own. */
  private record Place(int number, Path directory) {
    static Place fresh() {
      next++;
      return new Place(next, data.resolve("conversations/" + next));
    }

    Path home() {
      return directory.resolve("state/home");
    }

    WorkerSpec spec(WorkerSpec.Kind kind, List<String> command, boolean network) {
      return new WorkerSpec(
          kind,
          command,
          Map.of("MARK", "mine"),
          home(),
          home().resolve("work"),
          WorkerSpec.Permissions.ALLOW,
          Duration.ofSeconds(30),
          new WorkerSpec.Reach(number, directory.resolve("token"), network, 0));
    }
  }

  private static Worker script(Workers workers, Place place, String body) throws Exception {
    return workers.start(
        place.spec(WorkerSpec.Kind.COMMAND, List.of("/bin/sh", "-c", body), true), null, "");
  }

  private static Turn turn() {
    return new Turn("run-1", "thread-1", 1, false, Json.object());
  }

  private static String said(Workers workers, Place place, String body) throws Exception {
    try (Worker worker = script(workers, place, body)) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn(), told)).isInstanceOf(TurnEnd.Ended.class);
      return told.text().strip();
    }
  }

  private static TurnEnd.Failed failed(Workers workers, Place place, String body) throws Exception {
    try (Worker worker = script(workers, place, body)) {
      return (TurnEnd.Failed) worker.prompt(turn(), new Recorder());
    }
  }

  private static void assumeSandbox() {
    assumeThat(sandbox).as("bubblewrap works here").isTrue();
  }

  // ---- what it sees

  @Test
  void it_sees_its_own_home_at_the_same_place_everywhere_and_no_other_conversation()
      throws Exception {
    assumeSandbox();
    Place other = Place.fresh();
    said(closed, other, "echo secret > $HOME/secret; echo secret > /tmp/secret; chmod -R 777 ~");
    Place mine = Place.fresh();
    String body =
        "pwd; echo $HOME; cat %s/secret; cat /tmp/secret; ls -A %s; cat %s; ls ~; echo end"
            .formatted(other.home(), data, data.resolve("secrets.key"));
    Files.writeString(data.resolve("secrets.key"), "the key of all");
    assertThat(said(closed, mine, body))
        .isEqualTo("/home/agent/work\n/home/agent\nconversations\nwork\nend");
    assertThat(said(closed, mine, "echo kept > note; cat ~/work/note")).isEqualTo("kept");
    assertThat(mine.home().resolve("work/note")).hasContent("kept");
  }

  @Test
  void it_sees_no_other_process_and_cannot_reach_one() throws Exception {
    assumeSandbox();
    long me = ProcessHandle.current().pid();
    String body =
        "echo /proc/[0-9]* | wc -w; kill -0 %d && echo reached; cat /proc/%d/environ; echo end"
            .formatted(me, me);
    String[] lines = said(closed, Place.fresh(), body).split("\n");
    assertThat(Integer.parseInt(lines[0])).isLessThan(8);
    assertThat(lines[1]).isEqualTo("end");
  }

  @Test
  void the_system_is_read_only_and_what_is_the_servers_alone_is_hidden() throws Exception {
    assumeSandbox();
    String body =
        "for f in /usr/x /etc/x /x /dev/x /home/x; do touch $f && echo wrote $f; done;"
            + " cat /etc/shadow; ls /run /var/lib; cat /etc/passwd | grep -c .;"
            + " : > /tmp/x && : > ~/x && : > /dev/shm/x && echo wrote its own";
    assertThat(said(closed, Place.fresh(), body)).matches("[0-9]+\nwrote its own");
  }

  @ParameterizedTest
  @EnumSource(names = {"AUTO", "NONE"})
  void it_inherits_no_file_and_no_variable(Walls.Mode mode) throws Exception {
    try (var held = Files.newInputStream(Path.of("/etc/hostname"))) {
      String body =
          "for i in 3 4 5 6 7 8 9 10 11 12 20 30 40 50 100 200; do"
              + " [ -e /proc/$$/fd/$i ] && echo $i; done;"
              + " env | sed 's/=.*//' | grep -v -e '^PWD$' -e '^_$' -e SHLVL -e OLDPWD | sort"
              + " | tr '\\n' ' '";
      assertThat(held.read()).isNotNegative();
      assertThat(said(of(mode), Place.fresh(), body))
          .isEqualTo(
              "HOME LANG MARK PATH TERM TMPDIR TURNKEEPER_ATTEMPT TURNKEEPER_INTERRUPTED"
                  + " TURNKEEPER_RUN_ID TURNKEEPER_THREAD_ID TURNKEEPER_WORKER");
    }
  }

  @Test
  void a_directory_that_is_shown_to_it_can_be_read_where_it_is() throws Exception {
    Place place = Place.fresh();
    Path token = place.directory().resolve("token/run");
    Files.createDirectories(token.getParent());
    Files.writeString(token, "t0ken");
    Files.setPosixFilePermissions(
        token, java.nio.file.attribute.PosixFilePermissions.fromString("rw-------"));
    assertThat(said(closed, place, "cat " + token)).isEqualTo("t0ken");
  }

  @Test
  void without_network_it_reaches_only_itself_and_is_refused_where_that_cannot_be()
      throws Exception {
    List<String> look = List.of("/bin/sh", "-c", "grep -c : /proc/net/dev");
    WorkerSpec spec = Place.fresh().spec(WorkerSpec.Kind.COMMAND, look, false);
    try (Worker worker = open.start(spec, null, "")) {
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn(), new Recorder());
      assertThat(end.code()).isEqualTo("sandbox_missing");
    }
    assumeSandbox();
    assumeThat(probe(Walls.Mode.AUTO).starter().sandbox().isPresent()).isTrue();
    try (Worker worker = closed.start(spec, null, "")) {
      Recorder told = new Recorder();
      worker.prompt(turn(), told);
      assertThat(told.text().strip()).isEqualTo("1");
    }
  }

  @Test
  void a_session_comes_back_where_it_was_though_the_files_are_elsewhere_here() throws Exception {
    assumeSandbox();
    String cwd = "/srv/old/conversations/7/state/home/work";
    WorkerSpec spec =
        Place.fresh().spec(WorkerSpec.Kind.ACP, FakeAgent.command("load", "env"), true);
    Workers roomy = workers(Walls.Mode.AUTO, new Walls.Limits(0, 0, 0, 0, 0));
    try (roomy;
        Worker worker = roomy.start(spec, new Session("s1", cwd), "before")) {
      assertThat(worker.restored()).isEqualTo(Restore.LOAD);
      Recorder told = new Recorder();
      worker.prompt(turn(), told);
      assertThat(told.text()).contains(" in " + cwd);
      assertThat(worker.session()).contains(new Session("s1", cwd));
    }
  }

  @Test
  void a_command_that_the_sandbox_does_not_show_fails_in_words() throws Exception {
    assumeSandbox();
    Path hidden = Files.createDirectories(data.resolve("bin")).resolve("agent");
    Files.writeString(hidden, "#!/bin/sh\necho hi\n");
    assertThat(hidden.toFile().setExecutable(true, false)).isTrue();
    WorkerSpec spec = Place.fresh().spec(WorkerSpec.Kind.COMMAND, List.of(hidden.toString()), true);
    try (Worker worker = closed.start(spec, null, "")) {
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn(), new Recorder());
      assertThat(end.code()).isEqualTo("command_not_visible");
      assertThat(end.message()).contains(data.resolve("bin").toString(), "worker.read-paths");
    }
  }

  // ---- what it takes

  @ParameterizedTest
  @EnumSource(names = {"AUTO", "NONE"})
  void one_that_eats_memory_is_ended_with_words(Walls.Mode mode) throws Exception {
    TurnEnd.Failed end =
        failed(
            of(mode), Place.fresh(), "head -c 300000000 /dev/zero | tail -c 300000000 | sleep 600");
    assertThat(end.code()).isEqualTo("worker_memory_exceeded");
    assertThat(end.message()).contains("96 MiB", "worker.memory");
    assertThat(said(of(mode), Place.fresh(), "echo others go on")).isEqualTo("others go on");
  }

  @ParameterizedTest
  @EnumSource(names = {"AUTO", "NONE"})
  void one_that_forks_too_much_is_ended_with_words_and_nothing_of_it_is_left(Walls.Mode mode)
      throws Exception {
    String forks = "(i=0; while [ $i -lt 300 ]; do sleep 602 & i=$((i+1)); done) & sleep 602";
    TurnEnd.Failed end = failed(of(mode), Place.fresh(), forks);
    assertThat(end.code()).isEqualTo("worker_processes_exceeded");
    assertThat(end.message()).contains("200", "worker.processes");
    Processes.await(() -> running("sleep 602") == 0);
  }

  @Test
  void a_fork_bomb_in_the_sandbox_goes_off_in_there() throws Exception {
    assumeSandbox();
    assumeThat(probe(Walls.Mode.AUTO).starter().countsProcesses()).isTrue();
    String bomb = "f() { sleep 603 & f & f; }; (f) 2> /dev/null & sleep 603";
    TurnEnd.Failed end;
    try (Worker worker = script(closed, Place.fresh(), bomb)) {
      var aside = aside(worker, new Recorder());
      assertThat(said(closed, Place.fresh(), "echo others go on")).isEqualTo("others go on");
      end = (TurnEnd.Failed) aside.get(60, TimeUnit.SECONDS);
    }
    assertThat(end.code()).isEqualTo("worker_processes_exceeded");
    Processes.await(() -> running("sleep 603") == 0);
  }

  @Test
  void the_system_itself_stops_a_fork_bomb_in_the_sandbox() throws Exception {
    assumeSandbox();
    assumeThat(probe(Walls.Mode.AUTO).starter().countsProcesses()).isTrue();
    String body = "grep 'Max processes' /proc/self/limits";
    assertThat(said(closed, Place.fresh(), body)).contains(" 264 ");
  }

  @ParameterizedTest
  @EnumSource(names = {"AUTO", "NONE"})
  void one_that_fills_its_disk_is_ended_with_words(Walls.Mode mode) throws Exception {
    TurnEnd.Failed end =
        failed(
            of(mode),
            Place.fresh(),
            "i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero > $TMPDIR/f$i; i=$((i+1)); done;"
                + " sleep 600");
    assertThat(end.code()).isEqualTo("worker_disk_exceeded");
    assertThat(end.message()).contains("12 MiB", "worker.disk");
  }

  @ParameterizedTest
  @EnumSource(names = {"AUTO", "NONE"})
  void no_file_becomes_larger_than_its_disk_and_only_so_many_are_open(Walls.Mode mode)
      throws Exception {
    String body =
        "trap '' XFSZ; head -c 20000000 /dev/zero > big 2> /dev/null; wc -c < big; rm big; ulimit -n";
    assertThat(said(of(mode), Place.fresh(), body)).isEqualTo(12 * MIB + "\n256");
  }

  // ---- how it ends

  @Test
  void it_is_asked_to_end_and_has_time_for_that_in_the_sandbox_too() throws Exception {
    assumeSandbox();
    Place place = Place.fresh();
    String body = "trap 'echo bye > ~/bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    try (Worker worker = script(closed, place, body)) {
      Recorder told = new Recorder();
      var end = aside(worker, told);
      told.await(() -> told.text().contains("up"));
      worker.cancel();
      assertThat(end.get(20, TimeUnit.SECONDS)).isEqualTo(new TurnEnd.Cancelled());
    }
    assertThat(place.home().resolve("bye")).hasContent("bye");
  }

  @Test
  void one_that_ignores_term_is_killed_with_what_left_its_group() throws Exception {
    assumeSandbox();
    Place place = Place.fresh();
    String body = "trap '' TERM; setsid sleep 601 & echo up; while :; do sleep 1; done";
    try (Worker worker = script(closed, place, body)) {
      Recorder told = new Recorder();
      var end = aside(worker, told);
      told.await(() -> told.text().contains("up"));
      Processes.await(() -> running("sleep 601") > 0);
      worker.cancel();
      assertThat(end.get(20, TimeUnit.SECONDS)).isEqualTo(new TurnEnd.Cancelled());
      Processes.await(() -> running("sleep 601") == 0);
    }
  }

  private static long running(String command) {
    return ProcessHandle.allProcesses()
        .filter(it -> it.info().commandLine().orElse("").endsWith(command))
        .count();
  }

  private static CompletableFuture<TurnEnd> aside(Worker worker, TurnListener listener) {
    CompletableFuture<TurnEnd> end = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            end.complete(worker.prompt(turn(), listener));
          } catch (Throwable e) {
            end.completeExceptionally(e);
          }
        });
    return end;
  }

  @Test
  void a_home_that_is_a_link_is_not_followed() throws Exception {
    assumeSandbox();
    Place place = Place.fresh();
    Path elsewhere = Files.createDirectories(data.resolve("elsewhere"));
    Files.writeString(elsewhere.resolve("secret"), "not yours");
    Files.createDirectories(place.home().getParent());
    Files.createSymbolicLink(place.home(), elsewhere);
    assertThat(said(closed, place, "ls ~")).isEqualTo("work");
    assertThat(elsewhere.resolve("work")).doesNotExist();
  }

  // ---- what is said of it

  @Test
  void the_doctor_says_of_each_wall_whether_it_holds_and_what_to_do() {
    List<Wall> all = Workers.examine(walls(Walls.Mode.AUTO, LIMITS), data);
    assertThat(all)
        .extracting(Wall::name)
        .contains("sandbox", "own_processes", "no_network", "own_user", "memory", "environment");
    assertThat(all).allSatisfy(wall -> assertThat(wall.todo().isEmpty()).isEqualTo(wall.holds()));
    assertThat(all)
        .filteredOn(wall -> List.of("environment", "no_open_files", "files").contains(wall.name()))
        .allMatch(Wall::holds);
    assertThat(all)
        .filteredOn(wall -> List.of("sandbox", "own_processes", "own_mounts").contains(wall.name()))
        .allMatch(wall -> wall.holds() == sandbox);
    assertThat(Workers.examine(walls(Walls.Mode.NONE, LIMITS), data))
        .filteredOn(wall -> wall.name().equals("own_processes"))
        .noneMatch(Wall::holds);
  }

  @Test
  void a_sandbox_that_must_be_there_and_is_not_stops_the_start() {
    Walls none = new Walls(Walls.Mode.NONE, false, List.of(), 0, new Walls.Limits(0, 0, 0, 0, 0));
    WorkersConfig config =
        WorkersConfig.defaults("no-walls", Duration.ofMinutes(1)).at(data).within(none);
    assertThatThrownBy(() -> Workers.open(config, Clock.system()).close())
        .isInstanceOf(Refusal.Invalid.class)
        .hasMessageContaining("turnkeeper doctor");
  }
}
