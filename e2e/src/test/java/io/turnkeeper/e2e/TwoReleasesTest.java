package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What docs/migrations.md says, done: the next release is the jar with one more migration and its
 * backfill.
 */
@Tag("e2e")
@Tag("external")
class TwoReleasesTest {
  private static final int ROWS = 3_000;

  /** Of each thousand rows, five have nothing to fill with. */
  private static final int FILLABLE = ROWS - ROWS / 1_000 * 5;

  private static final String FALLBACK =
      """
      SELECT md5(string_agg(id || ':' || coalesce(%s, CASE WHEN metadata ->> 'rank' ~ '^[0-9]{1,9}$'
             THEN (metadata ->> 'rank')::integer END)::text, ',' ORDER BY id))
        FROM conversations WHERE id LIKE 'odd-%%'
      """;

  /** A table that is rewritten gets another file. */
  private static final String FILES =
      """
      SELECT relname, relfilenode FROM pg_class
       WHERE relname IN ('organizations', 'conversations', 'mailboxes', 'runs', 'replicas')
       ORDER BY 1
      """;

  @TempDir Path scratch;

  @Test
  void a_replica_of_the_previous_release_and_one_of_the_next_share_a_database_while_it_migrates()
      throws Exception {
    Path next = nextRelease();
    try (Postgres database = Postgres.start();
        Service service = Service.start(scratch, 1, database.url())) {
      service.addScript("short", 0.02, Map.of("on_worker_loss", "fail"));
      fillWithOddRows(database);
      String files = database.sql(FILES);
      String read = database.sql(FALLBACK.formatted("NULL::integer"));
      String replica = database.sql("SELECT id, state FROM replicas");

      try (Load load = Load.start(service, "short", 12, 10);
          Heartbeats heartbeats = Heartbeats.watch(database)) {
        aMigrationIsKilled(database, next);
        service.add(database.url()).ofRelease(next).start(service.key());
        assertThat(database.sql(FALLBACK.formatted("rank"))).isEqualTo(read);
        aBackfillIsKilled(database, next);
        assertThat(database.sql(FALLBACK.formatted("rank"))).isEqualTo(read);
        String said = Turnkeeper.read(migrate(database, next, "resumed", true));
        load.stop();

        assertThat(said).contains("backfill rank: " + FILLABLE + " filled");
        load.assertNoClientError();
        Load.ended(database, Duration.ofSeconds(60));
        load.assertEachEnded(database, "completed");
        heartbeats.assertNoneHeldUp();
      }
      assertThat(database.sql("SELECT count(*) FROM conversations WHERE rank IS NOT NULL"))
          .isEqualTo(Integer.toString(FILLABLE));
      assertThat(database.sql(FALLBACK.formatted("rank"))).isEqualTo(read);
      assertThat(database.sql("SELECT name FROM backfills WHERE finished_at IS NOT NULL"))
          .isEqualTo("rank");
      assertThat(database.sql(FILES)).as("no table was rewritten").isEqualTo(files);
      assertThat(database.sql("SELECT count(*) FROM runs WHERE attempt > 1")).isEqualTo("0");
      assertThat(database.sql("SELECT id, state FROM replicas ORDER BY id").lines().findFirst())
          .as("the old replica was never fenced")
          .hasValue(replica);
      Load.assertWholeLogs(database);
      service.marks().assertNeverTwo();
      service.assertNoErrors();
    }
  }

  private Path nextRelease() throws IOException {
    Path next = scratch.resolve("next");
    write(
        next.resolve("db/migration/V901__a_rank_beside_the_metadata.sql"),
        "ALTER TABLE conversations ADD COLUMN rank integer;\n");
    write(
        next.resolve("db/backfill/rank.sql"),
        """
        SELECT key FROM conversations
         WHERE key > coalesce(:after::bigint, 0) ORDER BY key LIMIT :chunk;
        -- Not careful with what is no integer: such a row must not stop the others.
        UPDATE conversations SET rank = (metadata ->> 'rank')::integer
         WHERE key = ANY (:keys::bigint[]) AND rank IS NULL AND metadata ->> 'rank' ~ '^[0-9]+$';
        """);
    return next;
  }

  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }

  private static void fillWithOddRows(Postgres database) {
    database.sql(
        """
        INSERT INTO conversations (organization_id, id, metadata)
        SELECT o.id, 'odd-' || n, CASE n %% 1000
                 WHEN 1 THEN '{"rank": null}' WHEN 2 THEN '{"rank": "many"}'
                 WHEN 3 THEN '{"rank": 99999999999}' WHEN 4 THEN '{}'
                 WHEN 5 THEN '{"rank": {"of": 1}}'
                 ELSE jsonb_build_object('rank', n) END
          FROM organizations o, generate_series(1, %d) n
        """
            .formatted(ROWS));
  }

  /** Killed while it waits for a lock that a long reader holds; nothing of it stays. */
  private void aMigrationIsKilled(Postgres database, Path next) throws Exception {
    Runnable release = database.hold("LOCK TABLE conversations IN ACCESS SHARE MODE");
    Process migration = start(database, next, "killed-migration", false);
    awaitInLine(database, "%ADD COLUMN rank%");
    migration.destroyForcibly().waitFor();
    release.run();
    assertThat(
            database.sql(
                "SELECT count(*) FROM information_schema.columns WHERE column_name = 'rank'"))
        .isEqualTo("0");
  }

  /** Killed in the middle, where somebody holds a row; what it committed stays. */
  private void aBackfillIsKilled(Postgres database, Path next) throws Exception {
    Runnable release =
        database.hold("SELECT 1 FROM conversations WHERE id = 'odd-1800' FOR UPDATE");
    Process backfill = start(database, next, "killed-backfill", true);
    awaitInLine(database, "%SET rank%");
    backfill.destroyForcibly().waitFor();
    release.run();
    assertThat(Integer.parseInt(database.sql("SELECT filled FROM backfills")))
        .isBetween(1_000, 1_800);
  }

  private static void awaitInLine(Postgres database, String statement) {
    Awaitility.await("it waits for a lock: " + statement)
        .atMost(Duration.ofSeconds(30))
        .pollInterval(Duration.ofMillis(20))
        .until(() ->
            !database
                .sql(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '"
                        + statement
                        + "'")
                .isEmpty());
  }

  private Process start(Postgres database, Path next, String log, boolean backfill)
      throws IOException {
    String[] words = {"migrate", "--database-url", database.url(), "--backfill", "rank"};
    return new ProcessBuilder(
            Turnkeeper.command(next, backfill ? words : java.util.Arrays.copyOf(words, 3)))
        .redirectErrorStream(true)
        .redirectOutput(scratch.resolve(log).toFile())
        .start();
  }

  private Path migrate(Postgres database, Path next, String log, boolean backfill)
      throws Exception {
    Process process = start(database, next, log, backfill);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(Turnkeeper.read(scratch.resolve(log))).isZero();
    return scratch.resolve(log);
  }

  /** How old the newest heartbeat of a live replica gets. */
  private static final class Heartbeats implements AutoCloseable {
    private static final double SECONDS_MAX = Service.TTL.toMillis() / 1_000.0 / 2;

    private final CountDownLatch stop = new CountDownLatch(1);
    private final Thread watching;
    private volatile double oldest;
    private volatile int looks;

    private Heartbeats(Postgres database) {
      watching = Thread.ofPlatform().name("heartbeats").daemon().start(() -> watch(this, database));
    }

    static Heartbeats watch(Postgres database) {
      return new Heartbeats(database);
    }

    private static void watch(Heartbeats into, Postgres database) {
      try {
        while (!into.stop.await(150, TimeUnit.MILLISECONDS)) {
          String age =
              database.sql(
                  "SELECT max(extract(epoch FROM clock_timestamp() - heartbeat_at)) FROM replicas"
                      + " WHERE state = 'live'");
          into.oldest = Math.max(into.oldest, Double.parseDouble(age));
          into.looks++;
        }
      } catch (InterruptedException stopping) {
        Thread.currentThread().interrupt();
      }
    }

    void assertNoneHeldUp() {
      System.out.printf("oldest heartbeat of %d looks: %.2f s%n", looks, oldest);
      assertThat(looks).isGreaterThan(5);
      assertThat(oldest).as("seconds without a heartbeat").isLessThan(SECONDS_MAX);
    }

    @Override
    public void close() throws InterruptedException {
      stop.countDown();
      watching.join();
    }
  }
}
