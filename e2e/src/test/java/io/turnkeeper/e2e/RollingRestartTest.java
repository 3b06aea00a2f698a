package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each replica is stopped and started again, one after the other, while clients go on. */
@Tag("e2e")
@Tag("external")
@Promise(2)
class RollingRestartTest {
  /** What two busy cores carry; by hand on a quiet machine {@code -Dturnkeeper.faults.rate=50}. */
  private static final int PER_SECOND = Integer.getInteger("turnkeeper.faults.rate", 20);

  /** From the holder's TERM to the answer of an agent that was started elsewhere. */
  private static final Duration MOVED_WITHIN = Duration.ofSeconds(2);

  @TempDir Path scratch;

  @Test
  void a_rolling_restart_fails_no_run_repeats_none_and_no_client_notices() {
    try (Postgres database = Postgres.start();
        Service service = Service.start(scratch, 3, database.url())) {
      service.addScript("short", 0.05, Map.of("on_worker_loss", "fail"));
      service.addMarkingAgent("warm", Map.of("idle_timeout_ms", 600_000));
      String idle = idleConversation(service);
      try (Load load = Load.start(service, "short", 20, PER_SECOND);
          Follower reader = followedThroughTheFirst(service)) {
        for (Turnkeeper replica : service.replicas()) {
          int sent = load.accepted().size();
          Awaitility.await("some messages with all replicas there")
              .atMost(Duration.ofSeconds(30))
              .until(() -> load.accepted().size() > sent + PER_SECOND);
          replica.terminate();
          if (replica == service.replica(0)) {
            movesAtOnce(service, idle);
          }
          replica.awaitStopped();
          service.restart(replica);
        }
        int sent = load.accepted().size();
        Awaitility.await("some messages afterwards")
            .atMost(Duration.ofSeconds(30))
            .until(() -> load.accepted().size() > sent + PER_SECOND);
        load.stop();
        Map<String, Integer> ended = load.endedOurs(database, Duration.ofSeconds(60));
        System.out.printf(
            "rolling restart at %d turns/s: %d accepted, ended %s, retried %s%n",
            PER_SECOND, load.accepted().size(), ended, load.retries());

        load.assertNoClientError();
        load.assertEachEnded(database, "completed");
        assertThat(ended).containsOnlyKeys("completed");
        assertThat(database.sql("SELECT count(*) FROM runs WHERE attempt > 1")).isEqualTo("0");
        assertRanOnce(service, load);
        assertThat(reader.whole().stream().map(Follower.Frame::id)).doesNotHaveDuplicates();
        assertThat(reader.connections()).as("it lost its replica").isGreaterThan(1);
        assertSameAsReadAgain(service, reader);
      }
      Load.assertWholeLogs(database);
      service.marks().assertNeverTwo();
      service.assertNoErrors();
    }
  }

  /** Each accepted run was executed by one process. */
  private static void assertRanOnce(Service service, Load load) {
    Map<String, Long> processes =
        service.marks().lives().stream()
            .filter(it -> !it.run().isEmpty())
            .collect(Collectors.groupingBy(Marks.Life::run, HashMap::new, Collectors.counting()));
    List<String> twice =
        processes.entrySet().stream()
            .filter(it -> it.getValue() != 1)
            .map(Map.Entry::getKey)
            .toList();
    assertThat(twice).as("runs that more than one process executed").isEmpty();
    assertThat(processes.keySet()).containsAll(load.accepted());
  }

  /** A conversation whose agent stays warm on the replica that is stopped first. */
  private static String idleConversation(Service service) {
    while (true) {
      Turnkeeper first = service.replica(0);
      String thread = first.newThread();
      String run = first.run(thread, "warm", wish(thread));
      Turnkeeper holder = service.holderOf(first, run);
      first.ended(run, Duration.ofSeconds(20));
      if (holder == first) {
        return thread;
      }
    }
  }

  private static String wish(String thread) {
    return "{\"label\": \"%s\", \"chunks\": 3, \"every\": 5}".formatted(thread);
  }

  /** A reader at the replica that is stopped first, of a run that another one holds. */
  private static Follower followedThroughTheFirst(Service service) {
    while (true) {
      Turnkeeper asked = service.replica(1);
      String thread = asked.newThread();
      String run =
          asked.run(
              thread,
              "warm",
              "{\"label\": \"%s\", \"chunks\": 300, \"every\": 20}".formatted(thread));
      if (service.holderOf(asked, run) != service.replica(0)) {
        return Follower.start(
            thread, run, service.replica(0), service.replica(1), service.replica(2));
      }
      asked.post("/threads/" + thread + "/runs/" + run + "/cancel", Map.of());
    }
  }

  private static void assertSameAsReadAgain(Service service, Follower reader) {
    try (Follower again = reader.again(service.replica(1))) {
      assertThat(reader.frames().stream().map(Follower.Frame::content))
          .isEqualTo(again.whole().stream().map(Follower.Frame::content).toList());
    }
  }

  /** Its holder was told to stop a moment ago. */
  private static void movesAtOnce(Service service, String thread) {
    Turnkeeper asked = service.replica(1);
    long from = System.nanoTime();
    assertThat(asked.ask(thread, "warm", wish(thread)).strip()).isEqualTo("0 1 2");
    Duration moved = Duration.ofNanos(System.nanoTime() - from);
    System.out.printf(
        "an idle conversation answers elsewhere %d ms after its holder's TERM%n", moved.toMillis());
    assertThat(moved).isLessThan(MOVED_WITHIN);
    assertThat(service.marks().lives(thread)).hasSize(2);
  }
}
