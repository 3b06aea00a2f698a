package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * A replica whose process stands still for three times the TTL and then goes on as if nothing had
 * happened. Its agents do not stand still with it.
 */
@Tag("e2e")
@Tag("external")
@Promise(1)
class PausedReplicaTest {
  private static final Duration TAKEN_WITHIN = Service.TTL.plusSeconds(1);
  private static final int CHUNKS = 600;
  private static final Pattern TEXT = Pattern.compile("\"text\":\"((?:\\d+ )+)\"");
  private static final Duration PAUSE = Service.TTL.multipliedBy(3);

  /** Of a loaded machine. */
  private static final Duration SLACK = Duration.ofSeconds(1);

  @TempDir Path scratch;

  @Test
  void a_replica_that_stood_still_writes_nothing_more_and_comes_back_healthy() throws Exception {
    try (Postgres database = Postgres.start();
        Service service = Service.start(scratch, 2, database.url())) {
      service.addMarkingAgent("long", Map.of("on_worker_loss", "resume"));
      Turnkeeper first = service.replica(0);
      String thread = first.newThread();
      String run =
          first.run(
              thread,
              "long",
              "{\"label\": \"%s\", \"chunks\": %d, \"every\": 20}".formatted(thread, CHUNKS));
      Turnkeeper holder = service.holderOf(first, run);
      Turnkeeper other = service.otherThan(holder);
      Awaitility.await("the agent answers")
          .atMost(Duration.ofSeconds(20))
          .until(() -> Service.events(other, run).size() > 10);
      Stopped stopped = Stopped.of(database, holder, run);
      try (Follower reader = Follower.start(thread, run, other)) {
        long pausedAt = System.nanoTime();
        holder.pause(true);
        Awaitility.await("the other replica takes the run over")
            .atMost(TAKEN_WITHIN.plus(SLACK))
            .pollInterval(Duration.ofMillis(20))
            .until(() -> starts(other, run) == 2);
        long taken = System.nanoTime() - pausedAt;
        System.out.printf("takeover after SIGSTOP: %d ms%n", taken / 1_000_000);
        int before = service.marks().lives(thread).size();
        assertThat(before).as("agents so far, by their marks").isLessThanOrEqualTo(2);

        waitUntil(pausedAt + PAUSE.toNanos());
        long oldAgent = service.marks().lives(thread).getFirst().to();
        assertThat(Duration.ofNanos(oldAgent - pausedAt))
            .as("the agent of the replica that stood still went on for")
            .isLessThan(Service.TTL);
        int leasesOfNobody = ownLeases(other, holder);
        String buried = stopped.row();
        assertThat(buried).startsWith("dead|");
        holder.pause(false);
        Awaitility.await("it is a healthy member again")
            .atMost(Duration.ofSeconds(10))
            .until(() -> holder.get("/health/ready").status() == 200);
        assertThat(leasesOfNobody).isZero();

        assertThat(other.ended(run, Duration.ofSeconds(60)).get("status").asString())
            .isEqualTo("completed");
        List<JsonNode> log = Service.events(other, run);
        Service.assertWhole(log);
        assertThat(starts(other, run)).isEqualTo(2);
        assertThat(stopped.row()).as("the stopped one's row: no heartbeat").isEqualTo(buried);
        stopped.assertWroteNothing();
        assertOnlyTheNewAttempt(log);
        reader.whole();
        assertThat(reader.frames().stream().map(Follower.Frame::id)).doesNotHaveDuplicates();
      }
      service.marks().assertNeverTwo();
      servesAgain(service, holder, other);
      service.assertNoErrors();
    }
  }

  /** Who held the run when it was stopped, as the database knows it. */
  private record Stopped(Postgres database, String run, int replica, long epoch) {
    static Stopped of(Postgres database, Turnkeeper holder, String run) {
      return new Stopped(
          database,
          run,
          Integer.parseInt(
              database.sql(
                  "SELECT id FROM replicas WHERE state = 'live' AND pid = " + holder.pid())),
          Long.parseLong(database.sql("SELECT epoch FROM runs WHERE id = '" + run + "'")));
    }

    String row() {
      return database.sql("SELECT state, heartbeat_at FROM replicas WHERE id = " + replica);
    }

    void assertWroteNothing() {
      assertThat(database.sql("SELECT count(*) FROM snapshots WHERE epoch <= " + epoch))
          .as("snapshots under the old epoch")
          .isEqualTo("0");
      assertThat(
              database.sql(
                  "SELECT epoch > %d, status FROM runs WHERE id = '%s'".formatted(epoch, run)))
          .as("the run is the new holder's")
          .isEqualTo("t|completed");
    }
  }

  /** What the agent says after the interruption is all of the second attempt, and nothing else. */
  private static void assertOnlyTheNewAttempt(List<JsonNode> log) {
    List<String> kinds = log.stream().map(it -> it.get("kind").asString()).toList();
    String said =
        log.stream()
            .skip(kinds.indexOf("run.interrupted"))
            .filter(it -> !it.get("kind").asString().startsWith("run."))
            .flatMap(it -> TEXT.matcher(it.get("data").toString()).results())
            .map(it -> it.group(1))
            .collect(Collectors.joining());
    assertThat(said)
        .isEqualTo(IntStream.range(0, CHUNKS).mapToObj(i -> i + " ").collect(Collectors.joining()));
  }

  private static int starts(Turnkeeper asked, String run) {
    return (int)
        Service.events(asked, run).stream()
            .filter(it -> it.get("kind").asString().equals("run.started"))
            .count();
  }

  private static int ownLeases(Turnkeeper asked, Turnkeeper of) {
    int leases = 0;
    for (JsonNode one : asked.get("/admin/replicas").expect(200).body().get("replicas")) {
      if (one.get("pid").asLong() == of.pid()) {
        leases += one.get("leases").asInt();
      }
    }
    return leases;
  }

  /** The one that stood still takes a run when the other one is not there. */
  private static void servesAgain(Service service, Turnkeeper holder, Turnkeeper other) {
    other.stop();
    String thread = holder.newThread();
    String answer =
        holder.ask(
            thread, "long", "{\"label\": \"%s\", \"chunks\": 3, \"every\": 5}".formatted(thread));
    assertThat(answer.strip()).isEqualTo("0 1 2");
    assertThat(service.marks().lives(thread)).hasSize(1);
  }

  private static void waitUntil(long nanos) throws InterruptedException {
    boolean early = new CountDownLatch(1).await(nanos - System.nanoTime(), TimeUnit.NANOSECONDS);
    assertThat(early).isFalse();
  }
}
