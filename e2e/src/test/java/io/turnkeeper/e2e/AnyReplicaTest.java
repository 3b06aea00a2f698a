package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A client may talk to any replica about any run, whichever holds it. */
@Tag("e2e")
@Tag("external")
@Promise(7)
class AnyReplicaTest {
  /** Far below the slowest poll: that a notification did it. */
  private static final Duration SOON = Duration.ofSeconds(3);

  @TempDir static Path scratch;
  private static Postgres database;
  private static Service service;

  private record Scene(String thread, String run, Turnkeeper holder, Turnkeeper other) {
    String path() {
      return "/threads/" + thread + "/runs/" + run;
    }
  }

  @BeforeAll
  static void start() {
    database = Postgres.start();
    service = Service.start(scratch, 2, database.url());
    service.addMarkingAgent("agent", Map.of("permissions", "ask"));
  }

  @AfterAll
  static void stop() {
    service.assertNoErrors();
    service.close();
    database.close();
  }

  private static Scene scene(String wish) {
    Turnkeeper first = service.replica(0);
    String thread = first.newThread();
    String run = first.run(thread, "agent", wish.formatted(thread));
    Turnkeeper holder = service.holderOf(first, run);
    return new Scene(thread, run, holder, service.otherThan(holder));
  }

  private static String status(Scene scene) {
    return scene
        .other()
        .get("/admin/runs/" + scene.run())
        .expect(200)
        .body()
        .get("status")
        .asString();
  }

  @Test
  @Promise(4)
  void a_stream_elsewhere_keeps_up_with_the_agent() {
    Scene scene = scene("{\"label\": \"%s\", \"chunks\": 100, \"every\": 20}");
    try (Follower there = Follower.start(scene.thread(), scene.run(), scene.other());
        Follower here = Follower.start(scene.thread(), scene.run(), scene.holder())) {
      there.whole();
      here.whole();
      assertThat(there.frames().stream().map(Follower.Frame::content))
          .isEqualTo(here.frames().stream().map(Follower.Frame::content).toList());
      long late = there.last().atNanos() - here.last().atNanos();
      System.out.printf("the last event came %d ms later on the other replica%n", late / 1_000_000);
      assertThat(Duration.ofNanos(late)).isLessThan(Duration.ofSeconds(2));
      long spread = there.last().atNanos() - there.frames().getFirst().atNanos();
      assertThat(Duration.ofNanos(spread))
          .as("it came as it was said, not all at the end")
          .isGreaterThan(Duration.ofMillis(500));
    }
  }

  @Test
  void a_cancel_reaches_the_holder() {
    Scene scene = scene("{\"label\": \"%s\", \"chunks\": 3000, \"every\": 20}");

    scene.other().post(scene.path() + "/cancel", Map.of());

    JsonNode run = scene.other().ended(scene.run(), SOON.plusSeconds(2));
    assertThat(run.get("status").asString()).isEqualTo("cancelled");
    Service.assertWhole(Service.events(scene.other(), scene.run()));
  }

  @Test
  void an_answer_to_a_permission_request_reaches_the_holder() {
    Scene scene = scene("{\"label\": \"%s\", \"chunks\": 3, \"every\": 5, \"ask\": true}");
    Awaitility.await("the run waits for a person")
        .atMost(Duration.ofSeconds(20))
        .until(() -> status(scene), "waiting"::equals);
    String id =
        Service.events(scene.other(), scene.run()).stream()
            .filter(it -> it.get("kind").asString().equals("permission.requested"))
            .map(it -> it.at("/data/id").asString())
            .findFirst()
            .orElseThrow();

    scene.other().post(scene.path() + "/permissions/" + id, Map.of("option_id", "yes"));

    Awaitility.await("the run completes")
        .atMost(SOON.plusSeconds(2))
        .until(() -> status(scene), "completed"::equals);
  }

  @Test
  void deleting_a_busy_conversation_stops_its_agent_and_leaves_nothing() {
    Scene scene = scene("{\"label\": \"%s\", \"chunks\": 3000, \"every\": 20}");
    Awaitility.await("the agent works")
        .atMost(Duration.ofSeconds(20))
        .until(() -> !service.marks().lives(scene.thread()).isEmpty());

    assertThat(
            scene
                .other()
                .send(scene.other().request("/threads/" + scene.thread()).DELETE().build())
                .status())
        .isBetween(200, 204);

    scene.holder().get("/threads/" + scene.thread()).expect(404);
    long agent = service.marks().lives(scene.thread()).getLast().pid();
    Awaitility.await("its agent is gone")
        .atMost(Duration.ofSeconds(10))
        .until(() -> ProcessHandle.of(agent).flatMap(it -> it.info().commandLine()).isEmpty());
  }

  @Test
  void a_message_sent_elsewhere_goes_to_the_agent_that_is_warm() {
    Scene scene = scene("{\"label\": \"%s\", \"chunks\": 3, \"every\": 5}");
    scene.other().ended(scene.run(), Duration.ofSeconds(20));

    String next =
        scene
            .other()
            .run(
                scene.thread(),
                "agent",
                "{\"label\": \"%s\", \"chunks\": 3, \"every\": 5}".formatted(scene.thread()));

    JsonNode run = scene.other().ended(next, Duration.ofSeconds(10));
    assertThat(run.get("status").asString()).isEqualTo("completed");
    assertThat(run.get("restore_mode").asString()).isEqualTo("warm");
    assertThat(service.marks().lives(scene.thread())).hasSize(1);
  }

  /** Of B, all by commands to A. */
  @Test
  void a_replica_is_capped_and_drained_through_another_one_which_takes_its_work() throws Exception {
    Turnkeeper a = service.replica(0);
    Turnkeeper b = service.replica(1);
    service.addMarkingAgent("warm", Map.of("idle_timeout_ms", 600_000));
    try {
      replicas(a, "drain", id(a, b));
      awaitHeld(b, 0, 0);
      for (int i = 0; i < 3; i++) {
        assertThat(idleOn(a, b)).as("taken by the one that is not drained").isEqualTo(a);
      }

      replicas(a, "cap", id(a, b), "5");
      replicas(a, "drain", id(a, a));
      awaitHeld(a, 0, 0);
      assertThat(near(b)).isFalse();
      List<String> threads = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        if (i == 4) {
          assertThat(near(b)).as("4 of 5").isTrue();
        }
        threads.add(idle(a));
      }

      awaitHeld(b, 5, 5);
      assertThat(b.errors().lines().filter(it -> it.contains("of 5 conversations held")))
          .as("warnings")
          .hasSize(1);
      List<Boolean> alive = threads.stream().map(AnyReplicaTest::agentLives).toList();
      assertThat(alive)
          .as("the one that was idle longest gave way")
          .containsExactly(false, true, true, true, true, true);
    } finally {
      replicas(a, "cap", id(a, a), "--own");
      replicas(a, "cap", id(a, b), "--own");
    }
  }

  private static void replicas(Turnkeeper through, String... words) throws Exception {
    List<String> all = new ArrayList<>(List.of("replicas"));
    all.addAll(List.of(words));
    all.addAll(List.of("--url", through.url(), "--key", through.key()));
    Path said = scratch.resolve("replicas.log");
    Process process =
        new ProcessBuilder(Turnkeeper.command(all.toArray(String[]::new)))
            .redirectErrorStream(true)
            .redirectOutput(said.toFile())
            .start();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(Turnkeeper.read(said)).isZero();
  }

  private static String id(Turnkeeper asked, Turnkeeper of) {
    for (JsonNode one : asked.get("/admin/replicas").expect(200).body().get("replicas")) {
      if (one.get("pid").asLong() == of.pid()) {
        return one.get("id").asString();
      }
    }
    throw new AssertionError("no replica with pid " + of.pid());
  }

  private static void awaitHeld(Turnkeeper replica, int held, int cap) {
    Awaitility.await("it holds %d of at most %d".formatted(held, cap))
        .atMost(Duration.ofSeconds(10))
        .pollInterval(Duration.ofMillis(50))
        .until(() -> {
          JsonNode slots = replica.get("/health/orchestrator").expect(200).body();
          return slots.get("reserved_conversation_locks").asInt() == held
              && slots.get("cap").asInt() == cap;
        });
  }

  private static boolean near(Turnkeeper replica) {
    return replica.get("/health/orchestrator").expect(200).body().get("near_cap").asBoolean();
  }

  private static Turnkeeper idleOn(Turnkeeper asked, Turnkeeper through) {
    String thread = through.newThread();
    String run = through.run(thread, "warm", wish(thread));
    Turnkeeper holder = service.holderOf(asked, run);
    asked.ended(run, Duration.ofSeconds(20));
    return holder;
  }

  /** A conversation whose agent has answered and stays. */
  private static String idle(Turnkeeper asked) {
    String thread = asked.newThread();
    asked.ask(thread, "warm", wish(thread));
    return thread;
  }

  private static String wish(String thread) {
    return "{\"label\": \"%s\", \"chunks\": 3, \"every\": 5}".formatted(thread);
  }

  private static boolean agentLives(String thread) {
    long agent = service.marks().lives(thread).getLast().pid();
    return ProcessHandle.of(agent).flatMap(it -> it.info().commandLine()).isPresent();
  }
}
