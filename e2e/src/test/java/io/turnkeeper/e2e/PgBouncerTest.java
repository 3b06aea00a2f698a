package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Replicas whose pool goes through PgBouncer in transaction mode, and their session connection to
 * the server itself.
 */
@Tag("e2e")
@Tag("external")
@Promise(2)
class PgBouncerTest {
  /** Fewer than the replicas' pools hold at least: without the pooler there would be more. */
  private static final int SERVER_SESSIONS = 2;

  /** With those that the heartbeats go over, one of each replica, which no pooler is before. */
  private static final String POOLED =
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'turnkeeper'";

  @TempDir Path scratch;

  @Test
  void replicas_behind_a_transaction_pooler_share_work_wake_each_other_and_survive_a_kill() {
    try (Postgres database = Postgres.start();
        PgBouncer pooler = PgBouncer.before(database, SERVER_SESSIONS);
        Service service =
            Service.start(
                scratch,
                List.of(pooler.url(), pooler.url()),
                "--set",
                "session-database-url=" + database.url())) {
      service.addScript("short", 0.02, Map.of("on_worker_loss", "retry", "max_attempts", 9));
      service.addMarkingAgent("long", Map.of("on_worker_loss", "resume"));
      wakesOnTheOtherReplica(service);
      try (Load load = Load.start(service, "short", 12, 15)) {
        killsTheHolder(service, database);
        load.stop();
        Load.ended(database, Duration.ofSeconds(60));
        load.assertNoClientError();
        load.assertEachEnded(database, "completed");
      }
      Load.assertWholeLogs(database);
      service.marks().assertNeverTwo();
      service.assertNoErrors();
    }
  }

  /** By polls alone, which come once a second, its words would come in a few heaps. */
  private static void wakesOnTheOtherReplica(Service service) {
    Turnkeeper first = service.replica(0);
    String thread = first.newThread();
    String wish = "{\"label\": \"%s\", \"chunks\": 60, \"every\": 40}".formatted(thread);
    String run = first.run(thread, "long", wish);
    Turnkeeper holder = service.holderOf(first, run);
    try (Follower reader = Follower.start(thread, run, service.otherThan(holder))) {
      long heaps = 0;
      long last = 0;
      for (Follower.Frame frame : reader.whole()) {
        if (frame.atNanos() - last > Duration.ofMillis(15).toNanos()) {
          heaps++;
        }
        last = frame.atNanos();
      }
      System.out.printf("through a pooler 60 words came to another replica in %d heaps%n", heaps);
      assertThat(heaps).as("more than the polls of those seconds").isGreaterThan(6);
    }
  }

  private static void killsTheHolder(Service service, Postgres database) {
    Turnkeeper first = service.replica(0);
    String thread = first.newThread();
    String wish =
        "{\"label\": \"%s\", \"chunks\": 400, \"again\": 5, \"every\": 20}".formatted(thread);
    String run = first.run(thread, "long", wish);
    Turnkeeper holder = service.holderOf(first, run);
    Turnkeeper other = service.otherThan(holder);
    try (Follower reader = Follower.start(thread, run, other)) {
      Awaitility.await("the agent answers")
          .atMost(Duration.ofSeconds(20))
          .until(() -> reader.frames().size() > 10);
      assertThat(Integer.parseInt(database.sql(POOLED)))
          .as("sessions at the server")
          .isBetween(3, SERVER_SESSIONS + 2);

      holder.kill();

      JsonNode ended = other.ended(run, Duration.ofSeconds(30));
      assertThat(ended.get("status").asString()).as("%s", ended).isEqualTo("completed");
      assertThat(ended.get("attempt").asInt()).isEqualTo(2);
      Service.assertWhole(Service.events(other, run));
      assertThat(reader.whole().stream().map(Follower.Frame::id)).doesNotHaveDuplicates();
    }
    service.revive();
  }
}
