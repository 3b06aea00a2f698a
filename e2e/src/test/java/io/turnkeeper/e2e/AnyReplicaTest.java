package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
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
}
