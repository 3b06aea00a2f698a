package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

@DbTest
class SchemaTest {
  private static final Path FOR_READERS = Path.of("..", "db", "schema.sql");

  /** Several tries of a migration. */
  private static final Duration WATCHED = Duration.ofMillis(2_500);

  /** What a database is made of, one line for each thing; the server says it the same way twice. */
  private static final String CATALOG =
      """
      WITH ours AS (
        SELECT c.oid, c.relname, c.relkind, c.reloptions
          FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace
           AND c.relname NOT LIKE 'flyway%' AND c.relname NOT LIKE 'run_events_2%'
      )
      SELECT 'relation ' || relname || ' ' || relkind::text || ' '
             || coalesce(array_to_string(reloptions, ','), '')
             || coalesce(' ' || pg_get_partkeydef(oid), '')
        FROM ours WHERE relkind IN ('r', 'p', 'v', 'S')
      UNION ALL
      SELECT 'column ' || o.relname || '.' || a.attname || ' ' || a.attnum || ' '
             || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attidentity::text
             || ' ' || a.attstorage::text || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
        FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
       WHERE o.relkind IN ('r', 'p', 'v') AND NOT a.attisdropped
      UNION ALL
      SELECT 'constraint ' || o.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
        FROM ours o JOIN pg_constraint k ON k.conrelid = o.oid
      UNION ALL
      SELECT 'index ' || pg_get_indexdef(o.oid) FROM ours o WHERE o.relkind IN ('i', 'I')
      UNION ALL
      SELECT 'trigger ' || pg_get_triggerdef(t.oid)
        FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid AND NOT t.tgisinternal
      UNION ALL
      SELECT 'function ' || pg_get_functiondef(p.oid)
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
      UNION ALL
      SELECT 'wall ' || o.relname || ' ' || p.polname || ' ' || pg_get_expr(p.polqual, p.polrelid)
        FROM ours o JOIN pg_policy p ON p.polrelid = o.oid
      UNION ALL
      SELECT 'walled ' || c.relname || ' ' || c.relrowsecurity || ' ' || c.relforcerowsecurity
        FROM ours o JOIN pg_class c ON c.oid = o.oid WHERE o.relkind IN ('r', 'p')
      ORDER BY 1
      """;

  @Test
  void the_schema_for_readers_is_what_the_migrations_add_up_to(Db migrated) throws Exception {
    DatabaseUrl url = TestDatabases.empty("readers");
    try (Db readers = open(url)) {
      run(readers, Files.readString(FOR_READERS));
      assertThat(catalog(readers))
          .as("db/schema.sql against the migrations")
          .isNotEmpty()
          .isEqualTo(catalog(migrated));
    }
  }

  @Test
  void a_difference_is_noticed(Db migrated) throws Exception {
    DatabaseUrl url = TestDatabases.fresh("drifted");
    try (Db drifted = open(url)) {
      run(drifted, "ALTER TABLE runs ALTER COLUMN run_type DROP NOT NULL");
      assertThat(catalog(drifted)).isNotEqualTo(catalog(migrated));
    }
  }

  @Test
  void replicas_that_start_together_migrate_once() throws Exception {
    DatabaseUrl url = TestDatabases.empty("together");
    List<Callable<Integer>> starts = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      starts.add(() -> Migrations.migrate(url));
    }
    int run = 0;
    try (var replicas = Executors.newFixedThreadPool(starts.size())) {
      for (var start : replicas.invokeAll(starts)) {
        run += start.get();
      }
    }
    try (Db db = open(url)) {
      assertThat(run)
          .isEqualTo(
              db.<Integer>inTx(tx ->
                  tx.query("SELECT count(*) FROM flyway_schema_history WHERE version IS NOT NULL")
                      .mapTo(Integer.class)
                      .one()));
    }
    assertThat(Migrations.pending(url)).isEmpty();
  }

  @Test
  void a_schema_of_a_newer_release_is_refused_in_one_line() throws Exception {
    DatabaseUrl url = TestDatabases.fresh("newer");
    try (Db db = open(url)) {
      run(
          db,
          """
          INSERT INTO flyway_schema_history
                 (installed_rank, version, description, type, script, installed_by,
                  execution_time, success)
          VALUES (99, '99', 'later', 'SQL', 'V99__later.sql', 'x', 1, true)
          """);
    }
    org.assertj.core.api.Assertions.assertThatThrownBy(() -> Migrations.migrate(url))
        .hasMessageContaining("newer release")
        .hasMessageNotContaining("\n");
  }

  @Test
  void a_migration_that_cannot_have_its_lock_holds_no_heartbeat_up_for_long_and_is_done_in_the_end()
      throws Exception {
    DatabaseUrl url = TestDatabases.fresh("locks");
    CountDownLatch held = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    try (Db db = Db.open(url, 4, Duration.ofSeconds(10));
        var others = Executors.newVirtualThreadPerTaskExecutor()) {
      run(
          db,
          """
          INSERT INTO replicas (host, pid, address, version, max_leases)
          VALUES ('h', 1, 'a', 'v', 1)
          """);
      var reader =
          others.submit(() ->
              db.useTx(tx -> {
                tx.update("LOCK TABLE replicas IN ACCESS SHARE MODE").execute();
                held.countDown();
                await(release);
              }));
      await(held);
      var migration =
          others.submit(() -> Migrations.migrate(url, List.of("db/migration", "db/later")));
      long longest = 0;
      long began = System.nanoTime();
      boolean stoodInLine = false;
      while (System.nanoTime() - began < WATCHED.toNanos()) {
        long sent = System.nanoTime();
        run(db, "UPDATE replicas SET heartbeat_at = clock_timestamp()");
        longest = Math.max(longest, System.nanoTime() - sent);
        stoodInLine |= System.nanoTime() - sent > Duration.ofMillis(50).toNanos();
      }
      assertThat(stoodInLine).as("the migration got as far as to wait for its lock").isTrue();
      assertThat(Duration.ofNanos(longest))
          .as("the longest wait of a heartbeat: far below two thirds of the TTL")
          .isLessThan(Duration.ofMillis(1_500));
      assertThat(migration.isDone()).as("it waits on").isFalse();
      release.countDown();
      assertThat(migration.get(30, TimeUnit.SECONDS)).isEqualTo(1);
      reader.get(30, TimeUnit.SECONDS);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(stopping);
    }
  }

  private static List<String> catalog(Db db) {
    return db.inTx(tx -> tx.query(CATALOG).mapTo(String.class).list());
  }

  private static void run(Db db, String script) throws IOException {
    db.useTx(tx -> {
      try (Statement statement = tx.connection().createStatement()) {
        statement.execute(script);
      } catch (SQLException failed) {
        throw new IllegalStateException(failed);
      }
    });
  }

  private static Db open(DatabaseUrl url) {
    return Db.open(url, 2, Duration.ofSeconds(10));
  }
}
