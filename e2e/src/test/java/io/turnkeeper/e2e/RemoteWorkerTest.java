package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Workers from elsewhere and two replicas on one database: the worker at one, the client at the
 * other, whichever of them holds the lease.
 */
@Tag("e2e")
@Tag("external")
class RemoteWorkerTest {
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration DEADLINE = Duration.ofSeconds(3);

  @TempDir static Path scratch;
  private static Postgres database;
  private static Service service;
  private static Turnkeeper here;
  private static Turnkeeper there;

  @BeforeAll
  static void start() {
    database = Postgres.start();
    service =
        Service.start(
            scratch,
            2,
            database.url(),
            "--set",
            "remote.deadline=" + DEADLINE.toSeconds() + "s",
            "--set",
            "remote.token-ttl=6s");
    here = service.replica(0);
    there = service.replica(1);
  }

  @AfterAll
  static void stop() {
    service.assertNoErrors();
    service.close();
    database.close();
  }

  /** An agent of its own for a test, and the key of its workers. */
  private static String agent(String name, Map<String, Object> more) {
    Map<String, Object> definition = new HashMap<>(more);
    definition.put("name", name);
    definition.put("kind", "remote");
    here.addAgent(definition);
    return Remote.key(here, name);
  }

  private static String answer(Turnkeeper replica, String thread) {
    JsonNode messages = replica.get("/threads/" + thread).expect(200).body().at("/values/messages");
    return messages.get(messages.size() - 1).get("content").asString();
  }

  private static String status(String run) {
    return there.get("/admin/runs/" + run).expect(200).body().get("status").asString();
  }

  @Test
  void a_worker_at_one_replica_answers_a_client_at_the_other() {
    String key = agent("far", Map.of());
    String thread = there.newThread();
    try (Remote worker = Remote.connect(here, key, "worker=w1&concurrency=2")) {
      String run = there.run(thread, "far", "hello");
      Remote.Given given = worker.run();
      assertThat(given.id()).isEqualTo(run);
      assertThat(given.said()).isEqualTo("hello");
      assertThat(given.attempt()).isEqualTo(1);
      // What it says may go to any replica too.
      Remote.respond(here, given.token(), Remote.text(1, "one ")).expect(200);
      Remote.respond(there, given.token(), Remote.text(2, "two"), Remote.completed(3)).expect(200);
      JsonNode ended = there.ended(run, SOON);
      assertThat(ended.get("status").asString()).isEqualTo("completed");
      assertThat(ended.get("restore_mode").asString()).isEqualTo("remote");
      assertThat(answer(there, thread)).isEqualTo("one two");
      Service.assertWhole(Service.events(there, run));
      assertThat(there.get("/admin/agents/far").expect(200).body().get("workers_connected").asInt())
          .isEqualTo(1);
    }
    Awaitility.await("the worker has left")
        .atMost(SOON)
        .until(() -> here.get("/admin/agents/far").body().get("workers_connected").asInt() == 0);
  }

  @Test
  void without_a_worker_runs_wait_and_hold_nothing_and_say_why() {
    String key = agent("unattended", Map.of());
    String thread = here.newThread();
    String run = here.run(thread, "unattended", "anybody?");
    Awaitility.await("it says why it waits")
        .atMost(SOON)
        .until(
            () -> here.get("/admin/runs/" + run + "/why").body().get("why").asString(),
            "no_worker"::equals);
    assertThat(here.get("/admin/status").body().at("/queue/running").asInt()).isZero();
    try (Remote worker = Remote.connect(there, key, "concurrency=1")) {
      Remote.Given given = worker.run();
      assertThat(given.attempt()).isEqualTo(1);
      Remote.respond(here, given.token(), Remote.completed(1)).expect(200);
      assertThat(here.ended(run, SOON).get("status").asString()).isEqualTo("completed");
    }
  }

  @Test
  void what_is_sent_again_is_taken_once_also_after_the_end() {
    String key = agent("twice", Map.of());
    String thread = here.newThread();
    try (Remote worker = Remote.connect(here, key, "concurrency=1")) {
      String run = here.run(thread, "twice", "hi");
      Remote.Given given = worker.run();
      Map<String, Object> first = Remote.text(1, "a");
      assertThat(
              Remote.respond(here, given.token(), first).expect(200).body().get("accepted").asInt())
          .isEqualTo(1);
      Remote.respond(there, given.token(), first).expect(200);
      Turnkeeper.Answer gap = Remote.respond(here, given.token(), Remote.text(4, "d")).expect(409);
      assertThat(gap.body().get("code").asString()).isEqualTo("events_missing");
      Remote.respond(there, given.token(), first, Remote.text(2, "b"), Remote.completed(3))
          .expect(200);
      assertThat(here.ended(run, SOON).get("status").asString()).isEqualTo("completed");
      assertThat(answer(here, thread)).isEqualTo("ab");
      // The answer to the last one was lost: it is sent again.
      assertThat(
              Remote.respond(there, given.token(), first, Remote.text(2, "b"), Remote.completed(3))
                  .expect(200)
                  .body()
                  .get("accepted")
                  .asInt())
          .isEqualTo(3);
      // Anything else is refused, on every replica, at once.
      for (Turnkeeper replica : List.of(here, there)) {
        assertThat(
                Remote.respond(replica, given.token(), Remote.text(4, "late"))
                    .expect(409)
                    .body()
                    .get("code")
                    .asString())
            .isEqualTo("run_over");
        Remote.heartbeat(replica, given.token()).expect(409);
      }
      assertThat(answer(here, thread)).isEqualTo("ab");
    }
  }

  @Test
  void a_worker_that_vanishes_is_lost_by_its_own_deadline_and_its_policy_decides() {
    String key = agent("fragile", Map.of("on_worker_loss", "resume"));
    String failing = agent("failing", Map.of());
    String run = here.run(here.newThread(), "fragile", "go");
    String doomed = here.run(here.newThread(), "failing", "go");
    Remote.Given first;
    try (Remote worker = Remote.connect(here, key, "worker=a&concurrency=1");
        Remote other = Remote.connect(there, failing, "worker=b&concurrency=1")) {
      first = worker.run();
      Remote.respond(here, first.token(), Remote.text(1, "half an ans")).expect(200);
      Remote.respond(here, other.run().token(), Remote.text(1, "half")).expect(200);
    }
    // They are gone without a word. Nobody waits for their replicas, which are well.
    JsonNode failed = there.ended(doomed, DEADLINE.plus(SOON));
    assertThat(failed.get("status").asString()).isEqualTo("failed");
    assertThat(failed.at("/error/code").asString()).isEqualTo("worker_died");
    try (Remote worker = Remote.connect(there, key, "worker=c&concurrency=1")) {
      Remote.Given second = worker.run();
      assertThat(second.id()).isEqualTo(run);
      assertThat(second.attempt()).isEqualTo(2);
      assertThat(second.json().get("interrupted").asBoolean()).isTrue();
      // The first one comes back from wherever it was.
      Turnkeeper.Answer late = Remote.respond(here, first.token(), Remote.text(2, "wer"));
      assertThat(late.status()).isIn(401, 409);
      Remote.respond(there, second.token(), Remote.text(1, "whole"), Remote.completed(2))
          .expect(200);
      assertThat(there.ended(run, SOON).get("status").asString()).isEqualTo("completed");
      Service.assertWhole(Service.events(there, run));
    }
  }

  @Test
  void heartbeats_keep_a_long_run_and_renew_its_token_beyond_its_first_life() {
    String key = agent("long", Map.of());
    try (Remote worker = Remote.connect(here, key, "concurrency=1")) {
      String run = there.run(there.newThread(), "long", "take your time");
      Remote.Given given = worker.run();
      String[] token = {given.token()};
      long until = System.nanoTime() + Duration.ofSeconds(7).toNanos();
      Awaitility.await("longer than a token lives")
          .pollInterval(Duration.ofSeconds(1))
          .atMost(Duration.ofSeconds(15))
          .until(() -> {
            token[0] = Remote.heartbeat(there, token[0]).expect(200).body().get("token").asString();
            return System.nanoTime() > until;
          });
      Remote.heartbeat(here, given.token()).expect(401);
      Remote.respond(here, token[0], Remote.completed(1)).expect(200);
      assertThat(there.ended(run, SOON).get("status").asString()).isEqualTo("completed");
    }
  }

  @Test
  void a_cancel_reaches_the_worker_and_ends_the_run_also_when_it_is_ignored() {
    String key = agent("cancelled", Map.of());
    try (Remote worker = Remote.connect(here, key, "concurrency=2")) {
      String thread = there.newThread();
      String run = there.run(thread, "cancelled", "go");
      Remote.Given given = worker.run();
      Remote.heartbeat(here, given.token()).expect(200);
      there.post("/threads/" + thread + "/runs/" + run + "/cancel", Map.of());
      assertThat(worker.next("news").get("run_id").asString()).isEqualTo(run);
      JsonNode told = Remote.heartbeat(here, given.token()).expect(200).body();
      assertThat(told.get("cancel").asString()).isNotEmpty();
      // It takes no notice.
      assertThat(there.ended(run, SOON).get("status").asString()).isEqualTo("cancelled");
      Remote.heartbeat(here, given.token()).expect(409);
    }
  }

  @Test
  void what_a_person_answers_and_what_waits_behind_come_with_the_heartbeat() {
    String key = agent("asking", Map.of("permissions", "ask"));
    try (Remote worker = Remote.connect(here, key, "concurrency=1")) {
      String thread = there.newThread();
      String run = there.run(thread, "asking", "may I?");
      Remote.Given given = worker.run();
      Remote.respond(
              there,
              given.token(),
              Map.of(
                  "seq",
                  1,
                  "type",
                  "permission",
                  "id",
                  "p1",
                  "tool_call",
                  Map.of("title", "delete it"),
                  "options",
                  List.of(Map.of("optionId", "yes", "name", "Yes", "kind", "allow_once"))))
          .expect(200);
      Awaitility.await("the run waits for a person")
          .atMost(SOON)
          .until(() -> status(run), "waiting"::equals);
      String next = there.run(thread, "asking", "and this too");
      there.post(
          "/threads/" + thread + "/runs/" + run + "/permissions/p1", Map.of("option_id", "yes"));
      assertThat(worker.next("news").get("run_id").asString()).isEqualTo(run);
      JsonNode input = Remote.heartbeat(here, given.token()).expect(200).body().get("input");
      assertThat(input.at("/answers/0/id").asString()).isEqualTo("p1");
      assertThat(input.at("/answers/0/option_id").asString()).isEqualTo("yes");
      assertThat(input.at("/pending/0/run_id").asString()).isEqualTo(next);
      Remote.respond(here, given.token(), Remote.completed(2)).expect(200);
      assertThat(there.ended(run, SOON).get("status").asString()).isEqualTo("completed");
      Remote.respond(there, worker.run().token(), Remote.completed(1)).expect(200);
      there.ended(next, SOON);
    }
  }

  @Test
  void runs_of_one_conversation_follow_each_other_and_stateless_ones_run_side_by_side() {
    String key = agent("lanes", Map.of("max_running", 3));
    try (Remote worker = Remote.connect(here, key, "concurrency=10")) {
      List<String> runs =
          IntStream.range(0, 4)
              .mapToObj(n ->
                  there
                      .post("/runs", Turnkeeper.message("lanes", "job " + n))
                      .expect(200)
                      .body()
                      .get("run_id")
                      .asString())
              .toList();
      List<Remote.Given> given = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        given.add(worker.run());
      }
      assertThat(worker.isIdle(Duration.ofSeconds(2))).as("the agent's cap holds").isTrue();
      Remote.respond(here, given.getFirst().token(), Remote.completed(1)).expect(200);
      given.add(worker.run());
      given.stream()
          .skip(1)
          .forEach(it -> Remote.respond(there, it.token(), Remote.completed(1)).expect(200));
      runs.forEach(run ->
          assertThat(there.ended(run, SOON).get("status").asString()).isEqualTo("completed"));

      String thread = there.newThread();
      String one = there.run(thread, "lanes", "one");
      String two = there.run(thread, "lanes", "two");
      Remote.Given first = worker.run();
      assertThat(first.id()).isEqualTo(one);
      assertThat(worker.isIdle(Duration.ofSeconds(1))).as("one at a time").isTrue();
      Remote.respond(here, first.token(), Remote.completed(1)).expect(200);
      Remote.Given second = worker.run();
      assertThat(second.id()).isEqualTo(two);
      Remote.respond(here, second.token(), Remote.completed(1)).expect(200);
      there.ended(two, SOON);
    }
  }

  @Test
  void a_snapshot_is_kept_once_for_each_run_within_the_scope_of_its_token() {
    String key = agent("keeper", Map.of());
    String path = "/worker/transcript/snapshot";
    try (Remote worker = Remote.connect(here, key, "concurrency=2")) {
      String thread = there.newThread();
      String run = there.run(thread, "keeper", "one");
      Remote.Given given = worker.run();
      String other = there.run(there.newThread(), "keeper", "other");
      Remote.Given foreign = worker.run();
      Remote.as(here, given.token(), "GET", path, null).expect(404);
      Remote.as(here, given.token(), "POST", path, Map.of("snapshot", "x")).expect(400);
      Remote.as(here, given.token(), "POST", path, Map.of("run_id", run)).expect(400);
      Remote.as(here, "not.a.token", "POST", path, Map.of("run_id", run, "snapshot", "x"))
          .expect(401);
      Remote.as(here, key, "POST", path, Map.of("run_id", run, "snapshot", "x")).expect(403);
      Remote.as(here, given.token(), "POST", path, Map.of("run_id", other, "snapshot", "x"))
          .expect(403);
      Remote.as(
              here,
              given.token(),
              "POST",
              path,
              Map.of("run_id", run, "snapshot", "x".repeat(5 << 20)))
          .expect(413);
      Remote.as(there, given.token(), "POST", path, Map.of("run_id", run, "snapshot", "kept"))
          .expect(200);
      Remote.as(here, given.token(), "POST", path, Map.of("run_id", run, "snapshot", "again"))
          .expect(409);
      // It is not there before its run is completed.
      Remote.as(here, given.token(), "GET", path, null).expect(404);
      Remote.respond(here, given.token(), Remote.completed(1)).expect(200);
      there.ended(run, SOON);
      Remote.as(here, given.token(), "GET", path, null).expect(409);

      String next = there.run(thread, "keeper", "two");
      Remote.Given second = worker.run();
      JsonNode kept = Remote.as(here, second.token(), "GET", path, null).expect(200).body();
      assertThat(kept.get("snapshot").asString()).isEqualTo("kept");
      assertThat(kept.get("run_id").asString()).isEqualTo(run);
      Remote.as(there, foreign.token(), "GET", path, null).expect(404);
      assertThat(Remote.as(here, second.token(), "GET", "/worker/thread", null).expect(200).text())
          .contains("one", "two");
      Remote.as(there, second.token(), "DELETE", path, null).expect(200);
      Remote.as(here, second.token(), "GET", path, null).expect(404);
      Remote.respond(here, second.token(), Remote.completed(1)).expect(200);
      Remote.respond(here, foreign.token(), Remote.completed(1)).expect(200);
      there.ended(next, SOON);
      there.ended(other, SOON);
    }
  }

  @Test
  void a_revoked_key_takes_its_runs_tokens_and_its_stream_with_it() {
    String key = agent("revoked", Map.of());
    Remote worker = Remote.connect(here, key, "concurrency=1");
    String run = there.run(there.newThread(), "revoked", "go");
    Remote.Given given = worker.run();
    Remote.heartbeat(there, given.token()).expect(200);
    String id = "";
    for (JsonNode one : here.get("/admin/keys").expect(200).body().get("keys")) {
      id = one.get("name").asString().equals("w-revoked") ? one.get("id").asString() : id;
    }
    here.send(here.request("/admin/keys/" + id).DELETE().build()).expect(200);
    for (Turnkeeper replica : List.of(here, there)) {
      assertThat(Remote.heartbeat(replica, given.token()).expect(401).body().get("code").asString())
          .isEqualTo("token_revoked");
      Remote.respond(replica, given.token(), Remote.text(1, "x")).expect(401);
    }
    worker.next("closed");
    there.post("/threads/none/runs/" + run + "/cancel", Map.of());
    worker.close();
  }

  @Test
  void a_worker_s_key_opens_its_agent_s_work_and_nothing_else() {
    String key = agent("narrow", Map.of());
    for (String path :
        List.of("/threads/x", "/assistants/search", "/admin/agents", "/admin/status", "/runs/x")) {
      assertThat(
              Remote.as(here, key, path.endsWith("search") ? "POST" : "GET", path, null).status())
          .as(path)
          .isIn(403, 404);
    }
    Remote.as(here, here.key(), "GET", "/worker/stream", null).expect(403);
    Remote.as(here, here.key(), "POST", "/worker/claim", Map.of()).expect(403);
    Remote.as(here, key, "POST", "/worker/heartbeat", Map.of()).expect(403);
    here.get("/admin/whoami").expect(200);
  }

  /** Talks to an example as it is; both remember what they were told by their snapshots alone. */
  private static void answers(String agent, String worker, Turnkeeper asked) {
    String thread = asked.newThread();
    assertThat(asked.ask(thread, agent, "good morning"))
        .isEqualTo(worker + " heard: GOOD MORNING (message 1 here)");
    assertThat(asked.ask(thread, agent, "again"))
        .isEqualTo(worker + " heard: AGAIN (message 2 here)");
  }

  private static Map<String, String> environment(Turnkeeper replica, String key, String name) {
    return Map.of("TURNKEEPER_URL", replica.url(), "TURNKEEPER_API_KEY", key, "WORKER_NAME", name);
  }

  private static Path example(String name) {
    return Path.of("..", "examples", name).toAbsolutePath().normalize();
  }

  @Test
  void the_python_example_works_as_it_is() {
    String key = agent("python", Map.of());
    try (Npm.Running worker =
        Npm.start(
            scratch,
            scratch.resolve("python.log"),
            environment(here, key, "py"),
            "python3",
            example("worker.py").toString(),
            "--name",
            "py")) {
      worker.waitFor(java.util.regex.Pattern.compile("connected as py"));
      answers("python", "py", there);
    }
  }

  @Test
  void the_typescript_example_works_as_it_is() throws Exception {
    Path compiled = scratch.resolve("worker.mjs");
    Process compiler =
        new ProcessBuilder(
                Npm.program("esbuild"),
                example("worker.ts").toString(),
                "--format=esm",
                "--outfile=" + compiled)
            .inheritIO()
            .start();
    assertThat(compiler.waitFor()).isZero();
    String key = agent("typescript", Map.of());
    try (Npm.Running worker =
        Npm.start(
            scratch,
            scratch.resolve("typescript.log"),
            environment(there, key, "ts"),
            "node",
            compiled.toString())) {
      worker.waitFor(java.util.regex.Pattern.compile("asking as ts"));
      answers("typescript", "ts", here);
      String thread = here.newThread();
      String run = here.run(thread, "typescript", "May I?");
      Awaitility.await("it asks").atMost(SOON).until(() -> status(run), "waiting"::equals);
      here.post(
          "/threads/" + thread + "/runs/" + run + "/permissions/question-2",
          Map.of("option_id", "yes"));
      assertThat(here.ended(run, SOON).get("status").asString()).isIn("completed", "waiting");
      Awaitility.await("it goes on").atMost(SOON).until(() -> status(run), "completed"::equals);
      assertThat(answer(here, thread)).contains("you may. ");
    }
  }

  /** What an agent's tool may do with its run's token; all else says that it may not. */
  private static final Map<String, Integer> OPEN =
      Map.of("GET /worker/thread", 200, "POST /worker/heartbeat", 200, "POST /worker/events", 200);

  private static void assertNarrow(JsonNode said) {
    said.properties()
        .forEach(answer -> {
          if (answer.getKey().contains(" /")) {
            if (OPEN.containsKey(answer.getKey())) {
              assertThat(answer.getValue().asInt()).as(answer.getKey()).isEqualTo(200);
            } else {
              assertThat(answer.getValue().asInt()).as(answer.getKey()).isIn(401, 403);
            }
          }
        });
  }

  @Test
  void an_agent_s_tools_act_as_its_run_alone_and_with_a_new_token_for_each_run() {
    here.addAgent(
        Map.of(
            "name",
            "tools",
            "kind",
            "acp",
            "command",
            List.of("node", Npm.home().resolve("agents/token-acp.mjs").toString())));
    String thread = here.newThread();
    JsonNode first = Turnkeeper.JSON.readTree(here.ask(thread, "tools", "one"));
    JsonNode second = Turnkeeper.JSON.readTree(here.ask(thread, "tools", "two"));
    assertNarrow(first);
    assertNarrow(second);
    assertThat(first.get("pid")).as("the same process").isEqualTo(second.get("pid"));
    assertThat(first.get("thread").asInt()).isEqualTo(1);
    assertThat(second.get("thread").asInt()).isEqualTo(3);
    assertThat(first.get("token")).isNotEqualTo(second.get("token"));
    for (Turnkeeper replica : List.of(here, there)) {
      for (JsonNode said : List.of(first, second)) {
        Remote.as(replica, said.get("token").asString(), "GET", "/worker/thread", null).expect(409);
      }
    }
    String run =
        here.get("/threads/" + thread + "/runs").expect(200).body().get(0).get("run_id").asString();
    assertThat(Service.events(here, run).toString()).contains("a tool").contains("custom");
  }

  @Test
  void a_command_has_the_token_of_its_run_in_its_environment() {
    here.addAgent(
        Map.of(
            "name",
            "command-tools",
            "kind",
            "command",
            "command",
            List.of(
                "/bin/sh",
                "-c",
                "test \"$TURNKEEPER_RUN_TOKEN\" = \"$(cat $TURNKEEPER_RUN_TOKEN_FILE)\" || exit 9;"
                    + " node -e 'fetch(process.env.TURNKEEPER_URL + \"/worker/thread\", {headers:"
                    + " {authorization: \"Bearer \" + process.env.TURNKEEPER_RUN_TOKEN}})"
                    + ".then(r => r.text()).then(console.log)'")));
    assertThat(here.ask(here.newThread(), "command-tools", "what is said here"))
        .contains("what is said here");
  }
}
