package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.config.Settings;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.TestDatabases;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a replica costs its database while nothing happens: as much with ten thousand conversations
 * held and a hundred thousand idle ones as with none. Measured from another database.
 */
@DbTest
@Tag("embedded")
@Timeout(180)
@Promise(6)
class CostTest {
  private static final Logger log = LoggerFactory.getLogger(CostTest.class);
  private static final int HELD = 10_000;
  private static final int IDLE = 100_000;
  private static final double TRANSACTIONS_MAX = 6;
  private static final int CONNECTIONS_MAX = 12;
  private static final Duration WINDOW = Duration.ofSeconds(6);
  private static final int WINDOWS = 4;

  private static final List<String> FILL =
      List.of(
          """
          INSERT INTO agents (id, organization_id, name, version)
          SELECT gen_random_uuid(), o.id, 'a', 1 FROM organizations o
          """,
          """
          INSERT INTO conversations (organization_id, agent_id, id)
          SELECT a.organization_id, a.id, 't-' || n
            FROM agents a, generate_series(1, %d) n
          """
              .formatted(IDLE + HELD),
          """
          INSERT INTO mailboxes (conversation_key, organization_id, agent_id, next_turn, epoch)
          SELECT key, organization_id, agent_id, 2, 1 FROM conversations
          """,
          """
          INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, status, attempt,
                            epoch, action_input)
          SELECT gen_random_uuid(), organization_id, agent_id, key, 1, 'running', 1, 1, '{}'
            FROM conversations ORDER BY key LIMIT %d
          """
              .formatted(HELD),
          """
          UPDATE mailboxes SET state = 'leased', running = true,
                 replica_id = (SELECT id FROM replicas WHERE state = 'live')
           WHERE conversation_key IN (SELECT conversation_key FROM runs)
          """,
          "ANALYZE");

  private final Db elsewhere;

  CostTest(Db elsewhere) {
    this.elsewhere = elsewhere;
  }

  @Test
  void ten_thousand_held_and_a_hundred_thousand_idle_conversations_cost_nothing_periodically(
      @TempDir Path data, @TempDir Path beside) {
    DatabaseUrl url = TestDatabases.fresh("cost");
    String database = url.toString().replaceFirst("^.*/([^/?]+)(\\?.*)?$", "$1");
    try (Server server = Server.start(settings(url, data), (at, key) -> {})) {
      double alone = transactionsPerSecond(database, TRANSACTIONS_MAX);
      fill(url);
      double full = transactionsPerSecond(database, TRANSACTIONS_MAX);
      log.info("periodic transactions per second: {} with nothing, {} with all", alone, full);
      assertThat(alone).as("with nothing").isPositive().isLessThanOrEqualTo(TRANSACTIONS_MAX);
      assertThat(full).as("with all").isPositive().isLessThanOrEqualTo(TRANSACTIONS_MAX);

      load(server.url());
      assertThat(
              number(
                  """
                  SELECT count(*) FROM pg_stat_activity
                   WHERE datname = :database AND backend_type = 'client backend'
                  """,
                  database))
          .isBetween(2L, (long) CONNECTIONS_MAX);
      assertThat(
              number(
                  """
                  SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE l.locktype = 'advisory' AND d.datname = :database
                  """,
                  database))
          .as("advisory locks: the replica's own")
          .isEqualTo(1);

      try (Server second = Server.start(settings(url, beside), (at, key) -> {})) {
        double both = transactionsPerSecond(database, 2 * TRANSACTIONS_MAX);
        log.info("periodic transactions per second of two replicas: {}", both);
        assertThat(second.url()).isNotEqualTo(server.url());
        assertThat(both).as("of two").isPositive().isLessThanOrEqualTo(2 * TRANSACTIONS_MAX);
      }
    }
  }

  private static Settings settings(DatabaseUrl url, Path data) {
    String who =
        url.user().map(user -> user + url.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    return ConfigLoader.load(
            new ConfigLoader.Inputs(
                Map.of(),
                Map.of(
                    "database-url",
                    url.toString().replaceFirst("//", "//" + who),
                    "data",
                    data.toString(),
                    "port",
                    "0",
                    "max-leases",
                    Integer.toString(2 * HELD)),
                Optional.empty(),
                data,
                ConfigLoader.Machine.here()))
        .settings();
  }

  private static void fill(DatabaseUrl url) {
    try (Db db = Db.open(url, 1, Duration.ofSeconds(10))) {
      db.useTx(tx -> {
        // What refers to what is right by construction.
        tx.update("SET LOCAL session_replication_role = replica").execute();
        FILL.forEach(statement -> tx.update(statement).execute());
      });
    }
  }

  /**
   * The smallest of some windows: the database's own upkeep commits too, now and then, and counts
   * of an idle connection arrive up to ten seconds late. What is periodic is in every window.
   */
  private double transactionsPerSecond(String database, double most) {
    double least = Double.MAX_VALUE;
    for (int i = 0; i < WINDOWS && least > most; i++) {
      long began = System.nanoTime();
      long before = commits(database);
      while (System.nanoTime() - began < WINDOW.toNanos()) {
        LockSupport.parkNanos(100_000_000);
      }
      double seconds = (System.nanoTime() - began) / 1e9;
      least = Math.min(least, (commits(database) - before) / seconds);
    }
    return least;
  }

  private long commits(String database) {
    return number(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = :database",
        database);
  }

  private long number(String sql, String database) {
    return elsewhere.inTx(tx -> tx.query(sql).bind("database", database).mapTo(Long.class).one());
  }

  /** More at once than there are connections. */
  private static void load(URI url) {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpRequest ready =
          HttpRequest.newBuilder(url.resolve("/health/ready"))
              .timeout(WINDOW.multipliedBy(5))
              .build();
      List<CompletableFuture<Integer>> answers = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        answers.add(
            client
                .sendAsync(ready, BodyHandlers.discarding())
                .thenApply(java.net.http.HttpResponse::statusCode));
      }
      assertThat(answers).allMatch(answer -> answer.join() == 200);
    }
  }
}
