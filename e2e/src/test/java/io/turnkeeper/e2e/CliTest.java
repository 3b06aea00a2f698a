package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The commands, as a person or a script runs them. */
@Tag("e2e")
class CliTest {
  private static final Duration WITHIN = Duration.ofSeconds(180);

  @TempDir static Path scratch;
  private static Turnkeeper replica;

  private record Ended(int status, String out, String err) {
    Ended expect(int wanted) {
      assertThat(status).as("exit status; out: %s err: %s", out, err).isEqualTo(wanted);
      return this;
    }

    JsonNode json() {
      return Turnkeeper.JSON.readTree(out);
    }
  }

  @BeforeAll
  static void start() throws Exception {
    replica = Turnkeeper.start(scratch.resolve("data"));
    List<String> add = new ArrayList<>(List.of("agent", "add", "demo", "--"));
    add.addAll(demoAgent());
    run(add.toArray(String[]::new)).expect(0);
    run("agent", "add", "shout", "--kind", "command", "--", "sh", "-c", "echo LOUD").expect(0);
  }

  @AfterAll
  static void stop() {
    replica.close();
  }

  @Test
  void the_credentials_are_found_and_only_their_owner_can_read_them() throws Exception {
    Path file = replica.data().resolve("credentials");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    assertThat(run("status", "--json").expect(0).json().isObject()).isTrue();
    assertThat(run("status").expect(0).out()).doesNotContain(replica.key());
  }

  @Test
  void a_piped_chat_prints_the_answer_alone_and_the_thread_on_stderr() throws Exception {
    Ended first = run("chat", "shout", "hello").expect(0);
    assertThat(first.out().strip()).isEqualTo("LOUD");
    assertThat(first.err().strip()).matches("thread [0-9a-f-]{36}");
  }

  @Test
  void a_thread_is_gone_on_with_listed_shown_and_deleted() throws Exception {
    String thread = UUID.randomUUID().toString();
    run("chat", "demo", "--thread", thread, "My name is Ada").expect(0);
    assertThat(run("chat", "demo", "--thread", thread, "What do you remember?").expect(0).out())
        .contains("Ada");

    assertThat(run("threads", "list").expect(0).out()).contains(thread);
    assertThat(run("threads", "show", thread).expect(0).out())
        .contains("My name is Ada")
        .contains("What do you remember?");
    JsonNode runs = run("runs", "list", "--thread", thread, "--json").expect(0).json().path("runs");
    assertThat(runs.size()).isEqualTo(2);
    String newest = runs.path(0).path("run_id").asString();
    assertThat(run("runs", "show", newest, "--json").expect(0).json().path("turn").asInt())
        .isEqualTo(2);
    run("runs", "why", newest).expect(0);

    run("threads", "delete", thread).expect(0);
    run("threads", "show", thread).expect(3);
  }

  @Test
  void tail_follows_a_run_to_its_end_and_cancel_ends_it() throws Exception {
    String thread = replica.newThread();
    String run = replica.run(thread, "demo", "count to 1000 slowly");
    replica.isRunning(run);
    Process tail =
        new ProcessBuilder(command("runs", "tail", run, "--json"))
            .redirectOutput(scratch.resolve("tail.out").toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      Awaitility.await("an event is printed")
          .atMost(WITHIN)
          .until(() -> Turnkeeper.read(scratch.resolve("tail.out")).contains("agent.update"));
      run("runs", "cancel", run).expect(0);
      assertThat(tail.waitFor(WITHIN.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(tail.exitValue()).isEqualTo(5);
    } finally {
      tail.destroyForcibly();
    }
    assertThat(Turnkeeper.read(scratch.resolve("tail.out"))).contains("run.cancelled");
  }

  @Test
  void an_interrupt_of_a_chat_cancels_its_run() throws Exception {
    String thread = UUID.randomUUID().toString();
    Path out = scratch.resolve("chat.out");
    Process chat =
        new ProcessBuilder(
                interruptible(command("chat", "demo", "--thread", thread, "count to 1000 slowly")))
            .redirectOutput(out.toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      Awaitility.await("the answer begins")
          .atMost(WITHIN)
          .until(() -> Turnkeeper.read(out).contains("2"));
      new ProcessBuilder("kill", "-INT", Long.toString(chat.pid())).start().waitFor();
      assertThat(chat.waitFor(WITHIN.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(chat.exitValue()).isEqualTo(130);
    } finally {
      chat.destroyForcibly();
    }
    JsonNode run =
        replica.get("/admin/runs?limit=1&thread=" + thread).expect(200).body().at("/runs/0");
    assertThat(replica.ended(run.path("run_id").asString(), WITHIN).path("status").asString())
        .isEqualTo("cancelled");
  }

  @Test
  void what_an_agent_asks_can_be_answered_by_another_command() throws Exception {
    String thread = UUID.randomUUID().toString();
    run("chat", "demo", "--thread", thread, "My name is Ada").expect(0);
    Ended asks = run("chat", "demo", "--thread", thread, "please delete my name").expect(5);
    assertThat(asks.err()).contains("the run waits for an answer").contains("p1 allow|reject");

    String run =
        run("runs", "list", "--thread", thread, "--limit", "1", "--json")
            .expect(0)
            .json()
            .at("/runs/0/run_id")
            .asString();
    run("runs", "answer", run, "p1", "allow").expect(0);
    run("runs", "tail", run).expect(0);
    run("runs", "answer", run, "p1", "allow").expect(3);
  }

  @Test
  void a_mistyped_command_is_answered_with_the_right_one() throws Exception {
    assertThat(onlyLocal("agnet", "list").expect(2).err()).contains("did you mean agent?");
    assertThat(onlyLocal("agent", "add", "x", "opencode", "--acp").expect(2).err())
        .contains("put -- before the program");
  }

  @Test
  void what_agents_write_is_nobody_else_s() throws Exception {
    run("chat", "shout", "hello").expect(0);
    Path conversations = replica.data().resolve("conversations");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(conversations)))
        .isEqualTo("rwx------");
  }

  @Test
  void two_replicas_on_one_directory_or_one_port_are_refused_in_one_line() throws Exception {
    Ended sameDirectory =
        onlyLocal("up", "--port", "0", "--data", replica.data().toString()).expect(1);
    assertThat(sameDirectory.err().lines()).hasSize(1);
    assertThat(sameDirectory.err()).contains("another replica").contains("--data");
    String port = replica.url().substring(replica.url().lastIndexOf(':') + 1);
    Ended samePort =
        onlyLocal("up", "--port", port, "--data", scratch.resolve("port").toString()).expect(1);
    assertThat(samePort.err().lines()).hasSize(1);
    assertThat(samePort.err()).contains("cannot listen on").contains("--port");
  }

  @Test
  void a_key_works_until_it_is_revoked() throws Exception {
    JsonNode made = run("keys", "create", "ci", "--role", "reader", "--json").expect(0).json();
    String key = made.path("key").asString();
    assertThat(run("keys", "list").expect(0).out()).contains("ci").doesNotContain(key);
    run("agent", "list", "--url", replica.url(), "--key", key).expect(0);
    assertThat(run("agent", "remove", "demo", "--url", replica.url(), "--key", key).expect(3).err())
        .doesNotContain(key);

    run("keys", "revoke", made.path("id").asString()).expect(0);
    assertThat(run("agent", "list", "--url", replica.url(), "--key", key).expect(3).err())
        .contains("--key");
  }

  @Test
  void an_organization_has_a_key_of_its_own_and_sees_nobody_else_s_agents() throws Exception {
    String key =
        run("orgs", "create", "acme", "--max-running", "3", "--json")
            .expect(0)
            .json()
            .path("admin_key")
            .asString();
    assertThat(run("orgs", "list").expect(0).out()).contains("acme").contains("default");
    assertThat(
            run("agent", "list", "--json", "--url", replica.url(), "--key", key)
                .expect(0)
                .json()
                .path("agents")
                .size())
        .isZero();
  }

  @Test
  void an_agent_gets_versions_and_hides_its_variables() throws Exception {
    for (int version = 1; version <= 2; version++) {
      assertThat(
              run("agent", "add", "versioned", "--env", "TOKEN=hunter2", "--", "cat")
                  .expect(0)
                  .out())
          .contains("version " + version);
    }
    assertThat(run("agent", "show", "versioned").expect(0).out())
        .contains("TOKEN")
        .doesNotContain("hunter2");
    run("agent", "remove", "versioned").expect(0);
    run("agent", "show", "versioned").expect(3);
  }

  @Test
  void a_migration_can_be_read_before_it_is_run() throws Exception {
    Path data = scratch.resolve("fresh");
    assertThat(onlyLocal("migrate", "--dry-run", "--data", data.toString()).expect(0).out())
        .contains("CREATE TABLE");
    assertThat(onlyLocal("migrate", "--data", data.toString()).expect(0).out()).contains("ran ");
    assertThat(onlyLocal("migrate", "--data", data.toString()).expect(0).out())
        .contains("up to date");
  }

  @Test
  void a_data_directory_of_another_version_is_refused_in_one_line() throws Exception {
    Path data = Files.createDirectories(scratch.resolve("other-version"));
    Files.writeString(data.resolve("format"), "99\n");
    Ended refused = onlyLocal("up", "--port", "0", "--data", data.toString()).expect(1);
    assertThat(refused.err().lines()).hasSize(1);
    assertThat(refused.err()).contains("another version").contains(data.toString());
  }

  @Test
  void a_database_that_is_away_at_start_is_refused_in_one_line() throws Exception {
    Ended refused =
        onlyLocal(
                "up",
                "--port",
                "0",
                "--data",
                scratch.resolve("away").toString(),
                "--database-url",
                "postgresql://me:hunter2@127.0.0.1:1/x")
            .expect(1);
    assertThat(refused.out()).isEmpty();
    assertThat(refused.err().lines())
        .singleElement()
        .asString()
        .contains("127.0.0.1:1")
        .doesNotContain("hunter2");
  }

  @Test
  void an_unknown_setting_stops_the_start_and_suggests_the_right_one() throws Exception {
    assertThat(onlyLocal("up", "--set", "lease.tll=5s").expect(1).err())
        .contains("did you mean lease.ttl?");
  }

  @Test
  void the_demo_shows_what_it_claims_and_leaves_nothing() throws Exception {
    Path temp = Files.createDirectories(scratch.resolve("tmp"));
    Ended demo = demo(temp).expect(0);
    assertThat(demo.out())
        .contains("kill -9")
        .contains("went on with it")
        .contains("attempt 2")
        .contains("I remember")
        .contains("Ada Lovelace")
        .contains("Try next");
    assertNothingIsLeft(temp);
  }

  @Test
  void the_demo_leaves_nothing_when_it_is_interrupted() throws Exception {
    Path temp = Files.createDirectories(scratch.resolve("tmp-interrupted"));
    Path out = scratch.resolve("demo.out");
    Process demo =
        new ProcessBuilder(interruptible(demoCommand(temp)))
            .redirectErrorStream(true)
            .redirectOutput(out.toFile())
            .start();
    try {
      Awaitility.await("the agent answers")
          .atMost(WITHIN)
          .until(() -> Turnkeeper.read(out).contains("kill -9"));
      // What is looked for below can be seen.
      assertThat(processesOf(temp))
          .anySatisfy(line -> assertThat(line).contains("worker.Warden"))
          .anySatisfy(line -> assertThat(line).contains("demo.DemoAgent"))
          .anySatisfy(line -> assertThat(line).contains("postgres"));
      new ProcessBuilder("kill", "-INT", Long.toString(demo.pid())).start().waitFor();
      assertThat(demo.waitFor(WITHIN.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(demo.exitValue()).isNotZero();
    } finally {
      demo.destroy();
    }
    assertNothingIsLeft(temp);
  }

  private static void assertNothingIsLeft(Path temp) throws IOException {
    try (Stream<Path> left = Files.list(temp)) {
      assertThat(left.filter(path -> path.getFileName().toString().startsWith("turnkeeper")))
          .isEmpty();
    }
    assertThat(processesOf(temp)).isEmpty();
  }

  /**
   * The command lines of all that was started with the directory's name in its arguments or its
   * environment: an agent has it in its HOME, a warden in its arguments.
   */
  private static List<String> processesOf(Path temp) {
    return ProcessHandle.allProcesses()
        .filter(process -> process.pid() != ProcessHandle.current().pid())
        .map(process -> Path.of("/proc", Long.toString(process.pid())))
        .filter(
            process -> (text(process, "cmdline") + text(process, "environ")).contains(temp + "/"))
        .map(process -> process + " " + text(process, "cmdline").replace('\0', ' '))
        .toList();
  }

  private static String text(Path process, String file) {
    try {
      return Files.readString(process.resolve(file), StandardCharsets.ISO_8859_1);
    } catch (IOException goneOrNotOurs) {
      return "";
    }
  }

  @Test
  void a_demo_that_cannot_do_a_step_says_which_and_why() throws Exception {
    Path temp = Files.createDirectories(scratch.resolve("tmp-small"));
    // No file may grow beyond a megabyte: there is no room for a database.
    List<String> words = new ArrayList<>(List.of("sh", "-c", "ulimit -f 2048; exec \"$@\"", "sh"));
    words.addAll(demoCommand(temp));
    Ended demo = ended(words).expect(1);
    assertThat(demo.err()).contains("the demo failed in step 1: ").doesNotContain("this is a bug");
    assertThat(demo.out()).doesNotContain("Done in");
    assertNothingIsLeft(temp);
  }

  @Test
  void a_demo_without_a_place_for_its_files_says_what_to_set() throws Exception {
    Path file = Files.writeString(scratch.resolve("no-directory"), "");
    Ended demo = demo(file).expect(1);
    assertThat(demo.err().lines())
        .filteredOn(line -> line.startsWith("turnkeeper"))
        .singleElement()
        .asString()
        .contains(file.toString(), "TMPDIR");
  }

  /** Whoever starts the tests in the background has them ignore interrupts, and their children. */
  private static List<String> interruptible(List<String> command) {
    List<String> words = new ArrayList<>(List.of("env", "--default-signal=INT"));
    words.addAll(command);
    return words;
  }

  private static List<String> demoCommand(Path temp) {
    List<String> command = new ArrayList<>(List.of("env", "TMPDIR=" + temp));
    command.addAll(Turnkeeper.command("demo"));
    command.add(3, "-Djava.io.tmpdir=" + temp);
    return command;
  }

  private static Ended demo(Path temp) throws IOException, InterruptedException {
    return ended(demoCommand(temp));
  }

  private static List<String> demoAgent() {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx48m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xlog:disable",
        "-cp",
        Path.of(System.getProperty("turnkeeper.jar")).toAbsolutePath().toString(),
        "io.turnkeeper.demo.DemoAgent");
  }

  /** A client command, with the credentials of the replica's data directory. */
  private static Ended run(String... arguments) throws IOException, InterruptedException {
    return ended(command(arguments));
  }

  private static List<String> command(String... arguments) {
    List<String> words = new ArrayList<>(List.of(arguments));
    int before = words.indexOf("--");
    words.addAll(before < 0 ? words.size() : before, List.of("--data", replica.data().toString()));
    return Turnkeeper.command(words.toArray(String[]::new));
  }

  /** A command that talks to no server. */
  private static Ended onlyLocal(String... arguments) throws IOException, InterruptedException {
    return ended(Turnkeeper.command(arguments));
  }

  private static Ended ended(List<String> command) throws IOException, InterruptedException {
    Path out = Files.createTempFile(scratch, "out", ".log");
    Path err = Files.createTempFile(scratch, "err", ".log");
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().keySet().removeIf(name -> name.startsWith("TURNKEEPER_"));
    Process process =
        builder
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    try {
      assertThat(process.waitFor(2 * WITHIN.toSeconds(), TimeUnit.SECONDS))
          .as("%s ends by itself", command)
          .isTrue();
      return new Ended(process.exitValue(), Turnkeeper.read(out), Turnkeeper.read(err));
    } finally {
      process.destroyForcibly();
    }
  }
}
