package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * A replica that is killed while its agent answers: another goes on at once, and who reads along on
 * a third sees all of it.
 */
@Tag("e2e")
@Tag("external")
@Promise({2, 5})
class KilledReplicaTest {
  /** More for the distribution: {@code -Dturnkeeper.faults.trials=100}. */
  private static final int TRIALS = Integer.getInteger("turnkeeper.faults.trials", 5);

  /** Bounds for a machine that does other things too; the distribution is printed. */
  private static final Duration MEDIAN_MAX = Duration.ofMillis(1_500);

  private static final Duration MAX = Duration.ofSeconds(4);

  private static final String WISH =
      "{\"label\": \"%s\", \"chunks\": 400, \"again\": 9, \"every\": 25, \"tool\": true}";

  @TempDir static Path scratch;
  private static Postgres database;
  private static Service service;

  /** A run under way, its holder, and who reads along on another replica. */
  private record Scene(String thread, String run, Turnkeeper holder, Follower reader) {}

  @BeforeAll
  static void start() {
    database = Postgres.start();
    service = Service.start(scratch, 3, database.url());
    for (String policy : List.of("retry", "resume", "fail")) {
      service.addMarkingAgent(policy, Map.of("on_worker_loss", policy));
    }
  }

  @AfterAll
  static void stop() {
    service.close();
    database.close();
  }

  @AfterEach
  void revive() {
    service.revive();
  }

  private static Scene underWay(String agent) {
    Turnkeeper first = service.replica(0);
    String thread = first.newThread();
    String run = first.run(thread, agent, WISH.formatted(thread));
    Turnkeeper holder = service.holderOf(first, run);
    Turnkeeper reading = service.otherThan(holder);
    Follower reader = Follower.start(thread, run, reading, service.otherThan(holder, reading));
    Awaitility.await("the agent is in the middle of its answer")
        .atMost(Duration.ofSeconds(30))
        .pollInterval(Duration.ofMillis(20))
        .until(() -> Service.events(reading, run).size() > 10);
    return new Scene(thread, run, holder, reader);
  }

  /** Kills the holder; the pid of the agent that it had. */
  private static long kill(Scene scene) {
    long agent = service.marks().lives(scene.thread()).getLast().pid();
    assertThat(ProcessHandle.of(agent)).as("the agent's process").isPresent();
    scene.holder().kill();
    return agent;
  }

  private static void assertReadWholeAndOnce(Scene scene, Turnkeeper alive) {
    List<String> read = scene.reader().whole().stream().map(Follower.Frame::content).toList();
    assertThat(read.stream().map(it -> it.split(" ")[0])).doesNotHaveDuplicates();
    try (Follower again = Follower.start(scene.thread(), scene.run(), alive)) {
      assertThat(read).isEqualTo(again.whole().stream().map(Follower.Frame::content).toList());
    }
  }

  private static void assertToldOutcomeUnknown(Follower reader) {
    assertThat(reader.whole().stream().map(Follower.Frame::data))
        .as("a result of the call that was under way")
        .anyMatch(it -> it.contains("outcome unknown") && it.contains("\"tool_call_id\":\"t1\""));
  }

  private static void assertGone(long agent) {
    // Who has ended keeps its number until its new parent looks.
    assertThat(ProcessHandle.of(agent).flatMap(it -> it.info().commandLine()))
        .as("the dead replica's agent")
        .isEmpty();
  }

  private static List<JsonNode> ofKind(List<JsonNode> log, String kind) {
    return log.stream().filter(it -> it.get("kind").asString().equals(kind)).toList();
  }

  private static Instant at(JsonNode event) {
    return OffsetDateTime.parse(event.get("at").asString()).toInstant();
  }

  @Test
  void a_killed_holder_s_run_goes_on_elsewhere_within_a_moment() {
    List<Long> taken = new ArrayList<>();
    List<Long> goneOn = new ArrayList<>();
    List<Long> seen = new ArrayList<>();
    for (int trial = 0; trial < TRIALS; trial++) {
      Scene scene = underWay(trial % 2 == 0 ? "retry" : "resume");
      try (Follower reader = scene.reader()) {
        Instant killedAt = Instant.now();
        long killedNanos = System.nanoTime();
        long agent = kill(scene);
        Turnkeeper alive = service.otherThan(scene.holder());
        JsonNode run = alive.ended(scene.run(), Duration.ofSeconds(30));
        assertThat(run.get("status").asString()).as("%s", run).isEqualTo("completed");
        assertThat(run.get("attempt").asInt()).isEqualTo(2);

        List<JsonNode> log = Service.events(alive, scene.run());
        Service.assertWhole(log);
        JsonNode interrupted = ofKind(log, "run.interrupted").getFirst();
        assertThat(interrupted.at("/data/unknown_tool_calls/0/toolCallId").asString())
            .as("what is unknown, of %s", log)
            .isEqualTo("t1");
        JsonNode again = ofKind(log, "run.started").getLast();
        taken.add(Duration.between(killedAt, at(interrupted)).toMillis());
        goneOn.add(Duration.between(killedAt, at(again)).toMillis());
        reader.whole();
        int turnSeq = interrupted.get("seq").asInt();
        seen.add(
            reader.frames().stream()
                .filter(it -> seq(it) > turnSeq)
                .mapToLong(it -> (it.atNanos() - killedNanos) / 1_000_000)
                .findFirst()
                .orElseThrow());
        assertReadWholeAndOnce(scene, alive);
        assertToldOutcomeUnknown(reader);
        assertGone(agent);
        service.marks().assertNeverTwo();
      }
      service.revive();
    }
    System.out.println("takeover after SIGKILL, ms: marked dead " + summary(taken));
    System.out.println("takeover after SIGKILL, ms: next attempt started " + summary(goneOn));
    System.out.println("takeover after SIGKILL, ms: its first output at a reader " + summary(seen));
    assertThat(goneOn.stream().sorted().toList().get(goneOn.size() / 2))
        .as("median of %s", goneOn)
        .isLessThan(MEDIAN_MAX.toMillis());
    assertThat(goneOn).allSatisfy(millis -> assertThat(millis).isLessThan(MAX.toMillis()));
    service.assertNoErrors();
  }

  private static int seq(Follower.Frame frame) {
    String number = frame.id().substring(frame.id().indexOf('.') + 1);
    int dash = number.indexOf('-');
    return Integer.parseInt(dash < 0 ? number : number.substring(0, dash));
  }

  static String summary(List<Long> millis) {
    List<Long> sorted = millis.stream().sorted().toList();
    int last = sorted.size() - 1;
    return "n=%d p50=%d p90=%d p99=%d max=%d"
        .formatted(
            sorted.size(),
            sorted.get(last / 2),
            sorted.get((int) (last * 0.9)),
            sorted.get((int) Math.round(last * 0.99)),
            sorted.getLast());
  }

  @Test
  void a_run_that_may_not_be_repeated_ends_and_says_what_nobody_knows() {
    Scene scene = underWay("fail");
    try (Follower reader = scene.reader()) {
      long agent = kill(scene);
      Turnkeeper alive = service.otherThan(scene.holder());
      JsonNode run = alive.ended(scene.run(), Duration.ofSeconds(10));

      assertThat(run.get("status").asString()).isEqualTo("failed");
      assertThat(run.at("/error/code").asString()).isEqualTo("replica_lost");
      List<JsonNode> log = Service.events(alive, scene.run());
      Service.assertWhole(log);
      assertThat(log.getLast().at("/data/unknown_tool_calls/0/toolCallId").asString())
          .isEqualTo("t1");
      assertThat(log.getLast().at("/data/answer").asString()).startsWith("0 1 2 3");
      assertReadWholeAndOnce(scene, alive);
      assertThat(reader.whole().stream().map(Follower.Frame::event)).contains("error");
      assertToldOutcomeUnknown(reader);
      assertGone(agent);
      String wish = "{\"label\": \"%s\", \"chunks\": 3, \"every\": 5}";
      String next = alive.run(scene.thread(), "fail", wish.formatted(scene.thread()));
      assertThat(alive.ended(next, Duration.ofSeconds(30)).get("status").asString())
          .isEqualTo("completed");
    }
    service.marks().assertNeverTwo();
    service.assertNoErrors();
  }
}
