package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.config.Settings;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.TestDatabases;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;

/**
 * One tenant has as many conversations as there are slots, on two replicas, and a hundred thousand
 * messages in them: each conversation could go on for ever in the slot that it has.
 */
@DbTest
@Tag("embedded")
@Timeout(120)
class FloodedTest {
  private static final Logger log = LoggerFactory.getLogger(FloodedTest.class);
  private static final int SLOTS_EACH = 3;
  private static final int SLOTS = 2 * SLOTS_EACH;
  private static final int FLOOD = 100_000;
  private static final Duration WITHIN = Duration.ofSeconds(30);

  /** The ids are those of now, as the events' partitions want it. */
  private static final List<String> FILL =
      List.of(
          // What refers to what is right by construction.
          "SET LOCAL session_replication_role = replica",
          "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'big')",
          """
          INSERT INTO agents (id, organization_id, name, version)
          SELECT gen_random_uuid(), id, 'a', 1 FROM organizations WHERE name = 'big'
          """,
          """
          INSERT INTO agent_versions (organization_id, agent_id, version, definition)
          SELECT a.organization_id, a.id, 1, v.definition
            FROM agents a, agent_versions v WHERE a.name = 'a'
          """,
          """
          INSERT INTO conversations (organization_id, agent_id, id)
          SELECT organization_id, id, 't-' || n FROM agents, generate_series(1, %d) n
           WHERE name = 'a'
          """
              .formatted(SLOTS),
          """
          INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, action_input)
          SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7000'
                  || '8' || lpad(to_hex(n::bigint * %2$d + c.key), 15, '0'))::uuid,
                 c.organization_id, c.agent_id, c.key, n,
                 '{"messages": [{"role": "user", "content": "hi"}]}'
            FROM conversations c, generate_series(1, %1$d) n WHERE c.id LIKE 't-%%'
          """
              .formatted(FLOOD / SLOTS, 1_000_000),
          """
          INSERT INTO mailboxes (conversation_key, organization_id, agent_id, state, pending,
                                 next_turn, tag)
          SELECT key, organization_id, agent_id, 'ready', %1$d, %1$d + 1, key
            FROM conversations WHERE id LIKE 't-%%'
          """
              .formatted(FLOOD / SLOTS),
          "ANALYZE");

  /** What of the flood began while the single run waited. */
  private static final String PASSED_BY =
      """
      SELECT count(*) FROM runs f, runs s
       WHERE s.id = :single AND f.organization_id <> s.organization_id
         AND f.started_at > s.created_at AND f.started_at < s.started_at
      """;

  private final HttpClient client = HttpClient.newHttpClient();
  private final AtomicReference<String> key = new AtomicReference<>("");

  @Test
  void a_flood_inside_few_conversations_delays_another_tenant_by_one_turnover_of_the_slots_at_most(
      @TempDir Path one, @TempDir Path two) throws Exception {
    DatabaseUrl url = TestDatabases.fresh("flooded");
    try (Db db = Db.open(url, 2, Duration.ofSeconds(10));
        Server first = Server.start(settings(url, one), (at, made) -> key.set(made));
        Server second = Server.start(settings(url, two), (at, made) -> {})) {
      String script = "read -r l; sleep 0.1; echo done";
      post(
          first.url().resolve("/admin/agents"),
          Map.of("name", "one", "kind", "command", "command", List.of("/bin/sh", "-c", script)));
      long began = System.nanoTime();
      db.useTx(tx -> FILL.forEach(statement -> tx.update(statement).execute()));
      log.info("filled in {} ms", (System.nanoTime() - began) / 1_000_000);
      await(db, "SELECT count(*) FROM mailboxes WHERE running", SLOTS);
      await(db, "SELECT count(*) FROM runs WHERE status = 'completed'", 3 * SLOTS);

      for (Server asked : List.of(first, second, first)) {
        String thread = post(asked.url().resolve("/threads"), Map.of()).get("thread_id").asString();
        String run =
            post(
                    asked.url().resolve("/threads/" + thread + "/runs"),
                    Map.of(
                        "assistant_id",
                        "one",
                        "input",
                        Map.of("messages", List.of(Map.of("role", "user", "content", "hi")))))
                .get("run_id")
                .asString();
        await(
            db,
            "SELECT count(*) FROM runs WHERE id = '"
                + UUID.fromString(run)
                + "'"
                + " AND status = 'completed'",
            1);
        long passedBy =
            db.<Long>inTx(tx ->
                tx.query(PASSED_BY).bind("single", UUID.fromString(run)).mapTo(Long.class).one());
        log.info("{} runs of the flood began while the single one waited", passedBy);
        assertThat(passedBy).isLessThanOrEqualTo(SLOTS);
      }
      assertThat(count(db, "SELECT count(*) FROM runs WHERE status = 'pending'"))
          .as("the flood is still there")
          .isGreaterThan(FLOOD / 2);
    }
  }

  private static void await(Db db, String sql, long wanted) {
    long began = System.nanoTime();
    while (count(db, sql) < wanted) {
      assertThat(System.nanoTime() - began).as(sql).isLessThan(WITHIN.toNanos());
      LockSupport.parkNanos(20_000_000);
    }
  }

  private static long count(Db db, String sql) {
    return db.<Long>inTx(tx -> tx.query(sql).mapTo(Long.class).one());
  }

  private JsonNode post(URI to, Map<String, Object> body) throws IOException, InterruptedException {
    HttpResponse<String> answer =
        client.send(
            HttpRequest.newBuilder(to)
                .header("x-api-key", key.get())
                .header("content-type", "application/json")
                .timeout(WITHIN)
                .POST(BodyPublishers.ofString(Json.MAPPER.writeValueAsString(body)))
                .build(),
            BodyHandlers.ofString());
    assertThat(answer.statusCode()).as(answer.body()).isBetween(200, 201);
    return Json.parse(answer.body());
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
                    Integer.toString(SLOTS_EACH),
                    "drain-timeout",
                    "1s"),
                Optional.empty(),
                data,
                ConfigLoader.Machine.here()))
        .settings();
  }
}
