package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Two replicas on one database. A marker is put wherever a tenant can put something; after the
 * deletion every table is searched for it, and both disks.
 */
@DbTest
@Tag("embedded")
@Timeout(180)
class DeletionTest {
  private static final Duration WITHIN = Duration.ofSeconds(40);
  private static final String SEALED = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=";

  /** Says what it has been told, ever: it is in its files, and in its answers. */
  private static final String REMEMBERS = "cat >> \"$HOME/seen\"; cat \"$HOME/seen\"";

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Db db;
  private final Path data;
  private final List<Server> replicas;
  private final String operator;

  DeletionTest(Db db, DatabaseUrl url, @TempDir Path data) {
    this.db = db;
    this.data = data;
    Server first = start(url, data.resolve("a"));
    replicas = List.of(first, start(url, data.resolve("b")));
    operator = first.newAdminKey().orElseThrow();
  }

  private static Server start(DatabaseUrl url, Path data) {
    Map<String, String> flags =
        Map.of("port", "0", "data", data.toString(), "database-url", withUser(url));
    var inputs =
        new ConfigLoader.Inputs(
            Map.of("TURNKEEPER_SECRETS_KEY", SEALED),
            flags,
            Optional.empty(),
            data,
            ConfigLoader.Machine.here());
    return Server.start(ConfigLoader.load(inputs).settings(), (at, admin) -> {});
  }

  private static String withUser(DatabaseUrl url) {
    String who =
        url.user().map(user -> user + url.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    return url.toString().replaceFirst("//[^/@]*@", "//").replaceFirst("//", "//" + who);
  }

  @AfterAll
  void stop() {
    replicas.forEach(Server::close);
    client.close();
  }

  private HttpResponse<String> send(String key, String method, String path, @Nullable String body) {
    return send(replicas.getFirst(), key, method, path, body);
  }

  private HttpResponse<String> send(
      Server replica, String key, String method, String path, @Nullable String body) {
    var request =
        HttpRequest.newBuilder(URI.create(replica.url() + path))
            .timeout(Duration.ofSeconds(40))
            .header("x-api-key", key)
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    try {
      return client.send(request.build(), BodyHandlers.ofString());
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(method + " " + path, failed);
    }
  }

  private JsonNode done(String key, String method, String path, @Nullable String body) {
    HttpResponse<String> answer = send(key, method, path, body);
    assertThat(answer.statusCode()).as(path + ": " + answer.body()).isBetween(200, 299);
    return answer.body().isBlank() ? Json.object() : Json.parse(answer.body());
  }

  /** An organization with an agent that writes files, and one whose workers are elsewhere. */
  private record Tenant(UUID id, String key, String workerKey) {}

  private Tenant tenant(String name, String marker) {
    JsonNode made = done(operator, "POST", "/admin/organizations", "{\"name\":\"" + name + "\"}");
    String key = made.path("admin_key").asString();
    String agent =
        "{\"name\":\"notes\",\"kind\":\"command\",\"command\":[\"sh\",\"-c\",%s],"
            + "\"env\":{\"NOTE\":\"%s\"}}";
    done(
        key,
        "POST",
        "/admin/agents",
        agent.formatted(Json.MAPPER.writeValueAsString(REMEMBERS), marker));
    done(key, "POST", "/admin/agents", "{\"name\":\"far\",\"kind\":\"remote\"}");
    String worker = "{\"name\":\"w\",\"role\":\"worker\",\"agent\":\"far\"}";
    return new Tenant(
        UUID.fromString(made.path("organization").path("id").asString()),
        key,
        done(key, "POST", "/admin/keys", worker).path("key").asString());
  }

  private static String marker() {
    return "mk" + UUID.randomUUID().toString().replace("-", "");
  }

  /** A conversation with the marker in all that a client may say. */
  private String talk(Tenant tenant, Server replica, String marker) {
    String thread = "thread-" + marker + "-" + UUID.randomUUID();
    String body =
        """
        {"assistant_id": "notes", "if_not_exists": "create", "input": "%1$s",
         "metadata": {"note": "%1$s"}, "config": {"tags": ["%1$s"]}}
        """
            .formatted(marker);
    HttpResponse<String> answer =
        send(replica, tenant.key(), "POST", "/threads/" + thread + "/runs/wait", body);
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    assertThat(answer.body()).contains(marker);
    done(
        tenant.key(),
        "PATCH",
        "/threads/" + thread,
        "{\"metadata\":{\"more\":\"" + marker + "\"}}");
    return thread;
  }

  /** A run at a worker from elsewhere, with what it said, its snapshot, and no end. */
  private void workElsewhere(Tenant tenant, String marker) {
    String body =
        "{\"assistant_id\":\"far\",\"if_not_exists\":\"create\",\"input\":\"" + marker + "\"}";
    done(tenant.key(), "POST", "/threads/far-" + marker + "/runs", body);
    String asking = "{\"worker\":\"" + marker.substring(0, 20) + "\",\"wait_ms\":15000}";
    JsonNode given = done(tenant.workerKey(), "POST", "/worker/claim", asking).path("runs").path(0);
    String token = given.path("token").asString();
    String said =
        "{\"events\":[{\"seq\":1,\"type\":\"text\",\"text\":\"%s\"},"
            + "{\"seq\":2,\"type\":\"custom\",\"data\":{\"x\":\"%s\"}}]}";
    done(token, "POST", "/worker/response", said.formatted(marker, marker));
    String kept = "{\"run_id\":\"%s\",\"snapshot\":\"%s\"}";
    done(
        token,
        "POST",
        "/worker/transcript/snapshot",
        kept.formatted(given.path("run_id").asString(), marker));
  }

  private void session(Tenant tenant) {
    db.useTx(tx ->
        tx.update(
                """
                INSERT INTO console_sessions (token_hash, organization_id, key_id)
                SELECT sha256(id::text::bytea), organization_id, id FROM api_keys
                 WHERE organization_id = :o
                """)
            .bind("o", tenant.id())
            .execute());
  }

  /** The tables in which the text is, as text or as bytes. */
  private Set<String> holding(String text) {
    String hex = HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    Set<String> found = new TreeSet<>();
    for (String table : tables("true")) {
      boolean there =
          db.inTx(tx ->
              tx.query(
                      "SELECT EXISTS (SELECT FROM %s t WHERE strpos(t::text, :text) > 0 OR strpos(t::text, :hex) > 0)"
                          .formatted(table))
                  .bind("text", text)
                  .bind("hex", hex)
                  .mapTo(Boolean.class)
                  .one());
      if (there) {
        found.add(table);
      }
    }
    return found;
  }

  private List<String> tables(String where) {
    return db.inTx(tx ->
        tx.query(
                """
                SELECT c.relname FROM pg_class c
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                   AND NOT c.relispartition AND c.relname NOT LIKE 'flyway%'
                   AND\
                """
                    + " "
                    + where)
            .mapTo(String.class)
            .list());
  }

  /** The tables that have rows of it. */
  private Set<String> naming(String column, Object value) {
    Set<String> found = new TreeSet<>();
    for (String table :
        tables(
            "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = '%s')"
                .formatted(column))) {
      boolean there =
          db.inTx(tx ->
              tx.query("SELECT EXISTS (SELECT FROM %s WHERE %s = :v)".formatted(table, column))
                  .bind("v", value)
                  .mapTo(Boolean.class)
                  .one());
      if (there) {
        found.add(table);
      }
    }
    return found;
  }

  private List<Path> onDisks(String text) {
    try (Stream<Path> files = Files.walk(data)) {
      return files
          .filter(file ->
              file.toString().contains(text) || Files.isRegularFile(file) && has(file, text))
          .toList();
    } catch (IOException | UncheckedIOException changing) {
      throw new AssertionError(changing);
    }
  }

  private static boolean has(Path file, String text) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1).contains(text);
    } catch (IOException gone) {
      return false;
    }
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + WITHIN.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("in time: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(50).toNanos());
    }
  }

  private long key(String thread) {
    return db.inTx(tx ->
        tx.query("SELECT key FROM conversations WHERE id = :id")
            .bind("id", thread)
            .mapTo(Long.class)
            .one());
  }

  @Test
  void nothing_of_a_deleted_conversation_is_left_in_any_table_or_on_any_disk() {
    String marker = marker();
    String other = marker();
    Tenant tenant = tenant("talks", "an ordinary value");
    String thread = talk(tenant, replicas.get(0), marker);
    String kept = talk(tenant, replicas.get(1), other);
    workElsewhere(tenant, marker);
    long key = key(thread);
    long far = key("far-" + marker);
    assertThat(holding(marker)).contains("conversations", "runs", "run_events");
    assertThat(naming("conversation_key", key))
        .contains("mailboxes", "runs", "snapshots", "snapshot_chunks");
    assertThat(naming("conversation_key", far)).contains("worker_turns");
    assertThat(onDisks(marker)).isNotEmpty();

    done(tenant.key(), "DELETE", "/threads/" + thread, null);
    done(tenant.key(), "DELETE", "/threads/far-" + marker, null);

    assertThat(send(tenant.key(), "GET", "/threads/" + thread, null).statusCode()).isEqualTo(404);
    for (long gone : List.of(key, far)) {
      await("its rows go", () -> naming("conversation_key", gone).equals(Set.of("deletions")));
    }
    db.useTx(tx -> tx.update("DELETE FROM workers").execute()); // their names are not the thread's
    assertThat(holding(marker)).isEmpty();
    await("its files go", () -> onDisks(marker).isEmpty());
    assertThat(holding(other)).contains("conversations", "runs", "run_events");
    done(tenant.key(), "GET", "/threads/" + kept, null);
    // The name is free at once, for a conversation that knows nothing of the other.
    String again =
        done(tenant.key(), "POST", "/threads", "{\"thread_id\":\"" + thread + "\"}").toString();
    assertThat(again).doesNotContain("more");
  }

  @Test
  void a_tenant_takes_all_of_a_conversation_with_it_before_it_goes() {
    String marker = marker();
    Tenant tenant = tenant("leaves", "an ordinary value");
    String thread = talk(tenant, replicas.get(0), marker);
    done(
        tenant.key(),
        "POST",
        "/threads/" + thread + "/runs/wait",
        "{\"assistant_id\":\"notes\",\"input\":\"and more\"}");

    JsonNode whole = done(tenant.key(), "GET", "/threads/" + thread + "/export", null);

    assertThat(whole.path("thread_id").asString()).isEqualTo(thread);
    assertThat(whole.path("metadata").path("more").asString()).isEqualTo(marker);
    assertThat(whole.path("messages")).hasSize(4);
    assertThat(whole.path("runs")).hasSize(2);
    assertThat(whole.path("runs").path(0).path("events").toString()).contains(marker);
    JsonNode file =
        whole
            .path("files")
            .path("entries")
            .valueStream()
            .filter(entry -> entry.path("path").asString().endsWith("seen"))
            .findFirst()
            .orElseThrow();
    String content =
        new String(
            Base64.getDecoder().decode(file.path("base64").asString()), StandardCharsets.UTF_8);
    assertThat(content).contains(marker).contains("and more");
    assertThat(content.length()).isEqualTo(file.path("bytes").asInt());

    String reader =
        done(tenant.key(), "POST", "/admin/keys", "{\"name\":\"r\",\"role\":\"reader\"}")
            .path("key")
            .asString();
    JsonNode seen = done(reader, "GET", "/threads/" + thread + "/export", null);
    assertThat(seen.path("files").isNull()).isTrue();
    assertThat(seen.path("runs")).hasSize(2);
  }

  @Test
  void nothing_of_a_deleted_organization_is_left_but_what_was_done_in_it() {
    String marker = marker();
    Tenant tenant = tenant("doomed", marker);
    Tenant other = tenant("stays", "an ordinary value");
    for (int i = 0; i < 4; i++) {
      talk(tenant, replicas.get(i % 2), marker);
    }
    String kept = talk(other, replicas.get(0), "another");
    workElsewhere(tenant, marker);
    session(tenant);
    Set<String> before = naming("organization_id", tenant.id());
    assertThat(before)
        .contains("agents", "agent_versions", "api_keys", "console_sessions", "workers")
        .contains("conversations", "mailboxes", "runs", "run_events", "snapshots", "worker_turns");

    HttpResponse<String> asked = send(operator, "DELETE", "/admin/organizations/doomed", null);

    assertThat(asked.statusCode()).as(asked.body()).isEqualTo(202);
    assertThat(send(tenant.key(), "GET", "/admin/whoami", null).statusCode()).isEqualTo(401);
    assertThat(send(operator, "DELETE", "/admin/organizations/doomed", null).statusCode())
        .isEqualTo(404);
    await(
        "its rows go",
        () -> holding(tenant.id().toString()).equals(Set.of("audit_log", "deletions")));
    assertThat(holding(marker)).isEmpty();
    assertThat(holding("doomed")).containsExactly("audit_log");
    await("its files go", () -> onDisks(tenant.id().toString()).isEmpty());
    assertThat(onDisks(marker)).isEmpty();
    done(other.key(), "GET", "/threads/" + kept, null);
    assertThat(done(operator, "GET", "/admin/audit?subject=organization:doomed", null).toString())
        .contains("organization.delete");
    // Its name is free for another.
    tenant("doomed", "an ordinary value");
  }

  @Test
  void the_operators_own_organization_stays() {
    HttpResponse<String> asked = send(operator, "DELETE", "/admin/organizations/default", null);

    assertThat(asked.statusCode()).isEqualTo(409);
    assertThat(Json.parse(asked.body()).path("code").asString()).isEqualTo("first_organization");
    done(operator, "GET", "/admin/whoami", null);
  }
}
