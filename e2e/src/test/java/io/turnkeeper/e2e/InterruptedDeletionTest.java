package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A replica that is killed in the middle of a deletion: another one ends it. */
@Tag("e2e")
@Tag("external")
class InterruptedDeletionTest {
  /** So many that a deletion takes seconds. */
  private static final int RUNS = 6_000;

  private static final int EVENTS_EACH = 30;
  private static final Duration WITHIN = Duration.ofSeconds(60);

  @TempDir static Path scratch;
  private static Postgres database;
  private static Service service;

  @BeforeAll
  static void start() {
    database = Postgres.start();
    service = Service.start(scratch, 2, database.url());
    service
        .replica(0)
        .addAgent(
            Map.of(
                "name",
                "notes",
                "kind",
                "command",
                "command",
                List.of("/bin/sh", "-c", "cat >> \"$HOME/seen\"; cat \"$HOME/seen\"")));
  }

  @AfterAll
  static void stop() {
    service.close();
    database.close();
  }

  /** Ended runs with events, as if it had been talked to for years. */
  private static void grow(String thread) {
    database.sql(
        """
        INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, status, action_input,
                          finished_at)
        SELECT overlay(gen_random_uuid()::text PLACING left(r.id::text, 13) FROM 1 FOR 13)::uuid,
               r.organization_id, r.agent_id, r.conversation_key, n + 1, 'completed', '{}', now()
          FROM runs r JOIN conversations c ON c.key = r.conversation_key AND c.id = '%1$s',
               generate_series(1, %2$d) n
         WHERE r.turn = 1;
        INSERT INTO run_events (run_id, seq, organization_id, kind, data)
        SELECT r.id, s, r.organization_id, 'update', '{"said": "%1$s"}'
          FROM runs r JOIN conversations c ON c.key = r.conversation_key AND c.id = '%1$s',
               generate_series(1, %3$d) s
         WHERE r.turn > 1;
        UPDATE mailboxes m SET next_turn = %2$d + 2
          FROM conversations c WHERE c.key = m.conversation_key AND c.id = '%1$s'
        """
            .formatted(thread, RUNS, EVENTS_EACH));
  }

  private static List<Path> onDisk(Turnkeeper replica, String key) {
    Path conversations = replica.data().resolve("conversations");
    if (!Files.exists(conversations)) {
      return List.of();
    }
    try (Stream<Path> all = Files.walk(conversations)) {
      return all.filter(it -> it.getFileName().toString().matches("(swept-)?" + key)).toList();
    } catch (IOException changing) {
      throw new UncheckedIOException(changing);
    }
  }

  private static long count(String sql) {
    return Long.parseLong(database.sql(sql));
  }

  @Test
  void a_deletion_that_was_killed_in_the_middle_is_ended_by_another_replica_on_all_disks() {
    Turnkeeper deleting = service.replica(0);
    Turnkeeper other = service.replica(1);
    String thread = "t-" + UUID.randomUUID();
    deleting.post("/threads", Map.of("thread_id", thread)).expect(200);
    deleting.ask(thread, "notes", "hello " + thread);
    String key = database.sql("SELECT key FROM conversations WHERE id = '" + thread + "'");
    Turnkeeper holder = onDisk(deleting, key).isEmpty() ? other : deleting;
    assertThat(onDisk(holder, key)).as("its files").isNotEmpty();
    grow(thread);
    String left = "SELECT count(*) FROM runs WHERE conversation_key = " + key;
    assertThat(count(left)).isEqualTo(RUNS + 1);

    // Whoever has its files is killed: it finds out when it comes back.
    CompletableFuture<Void> asking =
        CompletableFuture.runAsync(
            () -> holder.send(holder.request("/threads/" + thread).DELETE().build()));
    Awaitility.await("some of it is gone")
        .atMost(WITHIN)
        .pollInterval(Duration.ofMillis(5))
        .until(() -> count(left) < RUNS);
    holder.kill();
    asking.handle((answer, lost) -> true).join();
    assertThat(count(left)).as("what the killed one has left").isPositive();

    Awaitility.await("another replica ends it")
        .atMost(WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .until(() -> count("SELECT count(*) FROM deletions WHERE removed_at IS NOT NULL") == 1);
    Turnkeeper alive = service.otherThan(holder);
    alive.get("/threads/" + thread).expect(404);
    assertThat(count(left)).isZero();
    for (String table :
        database
            .sql(
                "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
                    + " AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'flyway%'")
            .lines()
            .toList()) {
      assertThat(
              count(
                  "SELECT count(*) FROM %s t WHERE strpos(t::text, '%s') > 0"
                      .formatted(table, thread)))
          .as(table)
          .isZero();
    }
    assertThat(onDisk(holder, key)).as("nobody has been there since").isNotEmpty();
    service.restart(holder);
    Awaitility.await("it frees its disk when it comes back")
        .atMost(WITHIN)
        .until(() -> onDisk(holder, key).isEmpty());
    service.assertNoErrors();
  }
}
