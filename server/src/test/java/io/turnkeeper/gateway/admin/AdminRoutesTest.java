package io.turnkeeper.gateway.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.agents.Vault;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.cluster.ReplicaInfo;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.http.HttpConfig;
import io.turnkeeper.http.HttpServer;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.orchestrator.Meters;
import io.turnkeeper.orchestrator.NewTurn;
import io.turnkeeper.orchestrator.Orchestrator;
import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.telemetry.Metrics;
import io.turnkeeper.tenancy.NewKey;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

@DbTest
class AdminRoutesTest {
  /** Who may at least do what. A route without a row fails the test. */
  private static final Map<String, Who> TABLE =
      Map.ofEntries(
          Map.entry("GET /admin/whoami", Who.READER),
          Map.entry("POST /admin/keys", Who.ADMIN),
          Map.entry("GET /admin/keys", Who.ADMIN),
          Map.entry("DELETE /admin/keys/{id}", Who.ADMIN),
          Map.entry("POST /admin/keys/{id}/limits", Who.ADMIN),
          Map.entry("GET /admin/audit", Who.ADMIN),
          Map.entry("GET /admin/webhooks/secret", Who.ADMIN),
          Map.entry("POST /admin/webhooks/secret", Who.ADMIN),
          Map.entry("DELETE /admin/organizations/{name}", Who.OPERATOR),
          Map.entry("POST /admin/organizations/{name}/limits", Who.OPERATOR),
          Map.entry("POST /admin/secrets/rotate", Who.OPERATOR),
          Map.entry("POST /admin/organizations", Who.OPERATOR),
          Map.entry("GET /admin/organizations", Who.OPERATOR),
          Map.entry("POST /admin/organizations/{name}/pause", Who.OPERATOR),
          Map.entry("POST /admin/organizations/{name}/resume", Who.OPERATOR),
          Map.entry("POST /admin/agents", Who.ADMIN),
          Map.entry("GET /admin/agents", Who.READER),
          Map.entry("GET /admin/agents/{name}", Who.READER),
          Map.entry("DELETE /admin/agents/{name}", Who.ADMIN),
          Map.entry("GET /admin/agents/{name}/versions", Who.READER),
          Map.entry("POST /admin/agents/{name}/pause", Who.ADMIN),
          Map.entry("POST /admin/agents/{name}/resume", Who.ADMIN),
          Map.entry("GET /admin/runs", Who.READER),
          Map.entry("GET /admin/runs/{run_id}", Who.READER),
          Map.entry("GET /admin/runs/{run_id}/why", Who.READER),
          Map.entry("GET /admin/runs/{run_id}/events", Who.READER),
          Map.entry("POST /admin/runs/{run_id}/cancel", Who.CLIENT),
          Map.entry("POST /admin/threads/{thread_id}/pause", Who.ADMIN),
          Map.entry("POST /admin/threads/{thread_id}/resume", Who.ADMIN),
          Map.entry(
              "POST /threads/{thread_id}/runs/{run_id}/permissions/{permission_id}", Who.CLIENT),
          Map.entry("GET /admin/status", Who.READER),
          Map.entry("GET /admin/replicas", Who.OPERATOR),
          Map.entry("POST /admin/replicas/{id}/drain", Who.OPERATOR),
          Map.entry("POST /admin/replicas/{id}/cap", Who.OPERATOR),
          Map.entry("GET /health/live", Who.ANYBODY),
          Map.entry("GET /health/ready", Who.ANYBODY),
          Map.entry("GET /health/orchestrator", Who.ANYBODY),
          Map.entry("GET /metrics", Who.ANYBODY));

  private enum Who {
    ANYBODY,
    READER,
    CLIENT,
    ADMIN,
    OPERATOR
  }

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final List<String> notReady = new ArrayList<>();
  private final Map<Who, String> keys = new TreeMap<>();
  private final Orchestrator orchestrator;
  private final Tenancy tenancy;
  private final OrganizationId ours;
  private final List<Route> routes = new ArrayList<>();
  private final HttpServer server;

  AdminRoutesTest(Db db, @TempDir Path data) {
    tenancy = new Tenancy(db, Clock.system());
    Agents agents = new Agents(db, Vault.of(List.of(new byte[32])));
    orchestrator = orchestrator(db, agents, data);
    keys.put(Who.OPERATOR, tenancy.bootstrap(key -> {}).orElseThrow().text());
    Tenancy.Founded founded = tenancy.createOrganization("acme", null);
    ours = founded.organization().id();
    keys.put(Who.ADMIN, founded.adminKey().text());
    keys.put(Who.CLIENT, tenancy.createKey(ours, "client", Role.CLIENT).text());
    keys.put(Who.READER, tenancy.createKey(ours, "reader", Role.READER).text());
    Metrics metrics = new Metrics();
    HealthRoutes.Slots slots = new HealthRoutes.Slots(13, 16, true, 2);
    routes.addAll(AdminRoutes.of(tenancy, agents, orchestrator.conversations(), cluster(slots)));
    routes.addAll(HealthRoutes.of(() -> List.copyOf(notReady), () -> slots, metrics));
    server = HttpServer.start(HttpConfig.of("127.0.0.1", 0), routes, metrics);
  }

  /** It is never started, so it asks neither for snapshots nor for workers. */
  @SuppressWarnings("NullAway")
  private static Orchestrator orchestrator(Db db, Agents agents, Path data) {
    EventLog events = new EventLog(Duration.ofDays(1));
    db.useTx(tx -> events.tend(tx, Instant.now()));
    var capabilities =
        new Orchestrator.Capabilities(
            db, new ConversationStore(), new RunQueue(), events, null, null, agents, news -> {});
    return new Orchestrator(
        capabilities, new Orchestrator.Limits(data, 4, 0), new NoMeters(), Clock.system());
  }

  private static ClusterView cluster(HealthRoutes.Slots slots) {
    AtomicReference<@Nullable Integer> wanted = new AtomicReference<>();
    return new ClusterView(
        "0.1",
        () -> OptionalInt.of(1),
        () -> slots,
        () -> new QueueDepth(1, 2, 3, 4, 5, 6, 7, 8.5),
        () ->
            List.of(
                new ReplicaInfo(
                    1,
                    "live",
                    "host",
                    4711,
                    "host:8787",
                    "0.1",
                    16,
                    wanted.get(),
                    13,
                    40,
                    Instant.EPOCH,
                    null)),
        (id, leases) -> {
          wanted.set(leases);
          return id == 1;
        },
        organization -> Map.of());
  }

  private static final class NoMeters implements Meters {
    @Override
    public void runEnded(String status, Duration sinceStart) {}

    @Override
    public void restored(String mode) {}

    @Override
    public void events(int written) {}

    @Override
    public void snapshot(long addedBytes) {}
  }

  @AfterAll
  void stop() {
    server.close();
    client.close();
  }

  private HttpResponse<String> send(
      @Nullable String key, String method, String path, @Nullable String body) {
    var request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path))
            .timeout(Duration.ofSeconds(10))
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    if (key != null) {
      request.header("x-api-key", key);
    }
    try {
      return client.send(request.build(), BodyHandlers.ofString());
    } catch (java.io.IOException | InterruptedException failed) {
      throw new AssertionError(failed);
    }
  }

  private JsonNode ok(Who who, String method, String path, @Nullable String body, int status) {
    var response = send(keys.get(who), method, path, body);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    return response.body().isEmpty() ? Json.object() : Json.parse(response.body());
  }

  private JsonNode refused(Who who, String call, @Nullable String body, int status, String code) {
    String[] parts = call.split(" ");
    JsonNode problem = ok(who, parts[0], parts[1], body, status);
    assertThat(problem.path("code").asString()).isEqualTo(code);
    return problem;
  }

  private RunId post(String thread) {
    Conversations conversations = orchestrator.conversations();
    ObjectNode input = Json.object();
    input.putArray("messages").addObject().put("role", "user").put("content", "hi");
    return conversations
        .post(
            new NewTurn(
                ours,
                "echo",
                thread,
                true,
                NewTurn.Busy.ENQUEUE,
                input,
                Json.object(),
                Json.object(),
                0,
                Duration.ZERO,
                null,
                null))
        .run();
  }

  private void addEcho() {
    var response =
        send(
            keys.get(Who.ADMIN),
            "POST",
            "/admin/agents",
            "{\"name\":\"echo\",\"kind\":\"command\",\"command\":[\"cat\"],\"env\":{\"K\":\"hunter2\"}}");
    assertThat(response.statusCode()).isIn(200, 201);
    assertThat(response.body()).doesNotContain("hunter2");
  }

  @Test
  void every_route_asks_for_the_role_of_its_row() {
    var byName =
        routes.stream().collect(Collectors.toMap(r -> r.method() + " " + r.path(), Route::path));
    assertThat(byName.keySet()).isEqualTo(TABLE.keySet());
    byName.forEach((name, template) -> {
      String method = name.substring(0, name.indexOf(' '));
      String path = template.replaceAll("\\{[a-z_]+}", "none");
      Who least = TABLE.get(name);
      for (Who who : Who.values()) {
        int status = send(keys.get(who), method, path, null).statusCode();
        String as = name + " as " + who;
        if (who.compareTo(least) >= 0) {
          assertThat(status).as(as).isNotIn(401, 403, 405, 500);
        } else {
          assertThat(status).as(as).isEqualTo(who == Who.ANYBODY ? 401 : 403);
        }
      }
    });
  }

  @Test
  void a_key_works_in_either_header_and_never_in_the_query() {
    String key = keys.get(Who.READER);
    HttpRequest bearer =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + "/admin/whoami"))
            .header("Authorization", "Bearer " + key)
            .build();
    JsonNode who = Json.parse(body(bearer));
    assertThat(who.path("organization").path("name").asString()).isEqualTo("acme");
    assertThat(who.path("role").asString()).isEqualTo("reader");
    assertThat(who.path("key").path("name").asString()).isEqualTo("reader");
    assertThat(send(null, "GET", "/admin/whoami?x-api-key=" + key, null).statusCode())
        .isEqualTo(401);
  }

  private String body(HttpRequest request) {
    try {
      return client.send(request, BodyHandlers.ofString()).body();
    } catch (java.io.IOException | InterruptedException failed) {
      throw new AssertionError(failed);
    }
  }

  @Test
  void an_agent_is_added_versioned_paused_and_removed() {
    String body = "{\"name\":\"cycle\",\"command\":[\"a\"],\"max_running\":2}";
    assertThat(ok(Who.ADMIN, "POST", "/admin/agents", body, 201).path("version").asInt())
        .isEqualTo(1);
    assertThat(ok(Who.ADMIN, "POST", "/admin/agents", body, 200).path("version").asInt())
        .isEqualTo(2);
    assertThat(
            ok(Who.READER, "GET", "/admin/agents/cycle/versions", null, 200)
                .path("versions")
                .size())
        .isEqualTo(2);
    JsonNode paused = ok(Who.ADMIN, "POST", "/admin/agents/cycle/pause", null, 200);
    assertThat(paused.path("paused").asBoolean()).isTrue();
    assertThat(paused.path("paused_by").asString()).isEqualTo("first-admin");
    JsonNode shown = ok(Who.READER, "GET", "/admin/agents/cycle", null, 200);
    assertThat(shown.path("paused").asBoolean()).isTrue();
    assertThat(shown.path("max_running").asInt()).isEqualTo(2);
    ok(Who.ADMIN, "POST", "/admin/agents/cycle/resume", null, 200);
    ok(Who.ADMIN, "DELETE", "/admin/agents/cycle", null, 204);
    refused(Who.READER, "GET /admin/agents/cycle", null, 404, "agent_not_found");
    JsonNode refused =
        refused(
            Who.ADMIN,
            "POST /admin/agents",
            "{\"name\":\"x\",\"command\":[\"a\"],\"kind\":\"k\"}",
            422,
            "unknown_value");
    assertThat(refused.path("field").asString()).isEqualTo("kind");
  }

  @Test
  void a_key_is_shown_once_and_revoked() {
    JsonNode made =
        ok(Who.ADMIN, "POST", "/admin/keys", "{\"name\":\"web\",\"role\":\"client\"}", 201);
    String text = made.path("key").asString();
    assertThat(send(text, "GET", "/admin/whoami", null).statusCode()).isEqualTo(200);
    String list = ok(Who.ADMIN, "GET", "/admin/keys", null, 200).toString();
    assertThat(list).contains("\"web\"").doesNotContain(text.substring(26));
    String id = made.path("id").asString();
    assertThat(
            ok(Who.ADMIN, "DELETE", "/admin/keys/" + id, null, 200).path("revoked_at").isString())
        .isTrue();
    assertThat(send(text, "GET", "/admin/whoami", null).statusCode()).isEqualTo(401);
    refused(
        Who.ADMIN, "POST /admin/keys", "{\"name\":\"x\",\"role\":\"god\"}", 422, "unknown_value");
    refused(Who.ADMIN, "DELETE /admin/keys/" + Uuid7.next(), null, 404, "key_not_found");
  }

  @Test
  void the_operator_makes_organizations_and_reaches_into_them() {
    JsonNode made = ok(Who.OPERATOR, "POST", "/admin/organizations", "{\"name\":\"globex\"}", 201);
    String admin = made.path("admin_key").asString();
    assertThat(send(admin, "GET", "/admin/whoami", null).body()).contains("globex");
    refused(
        Who.OPERATOR,
        "POST /admin/organizations",
        "{\"name\":\"globex\"}",
        409,
        "organization_exists");
    JsonNode key =
        ok(
            Who.OPERATOR,
            "POST",
            "/admin/keys?organization=globex",
            "{\"name\":\"k\",\"role\":\"reader\"}",
            201);
    assertThat(send(key.path("key").asString(), "GET", "/admin/whoami", null).body())
        .contains("globex");
    refused(
        Who.OPERATOR, "GET /admin/keys?organization=nobody", null, 404, "organization_not_found");
    refused(Who.ADMIN, "GET /admin/keys?organization=globex", null, 403, "operator_only");
    refused(Who.ADMIN, "GET /admin/keys?organization=nobody", null, 403, "operator_only");
    assertThat(
            ok(Who.OPERATOR, "POST", "/admin/organizations/globex/pause", null, 200)
                .path("paused")
                .asBoolean())
        .isTrue();
    assertThat(
            ok(Who.OPERATOR, "POST", "/admin/organizations/globex/resume", null, 200)
                .path("paused")
                .asBoolean())
        .isFalse();
  }

  @Test
  void a_run_is_listed_explained_and_cancelled() {
    addEcho();
    RunId first = post("t-list");
    RunId second = post("t-list");
    JsonNode page = ok(Who.READER, "GET", "/admin/runs?thread=t-list&limit=1", null, 200);
    assertThat(page.path("runs").get(0).path("run_id").asString()).isEqualTo(second.toString());
    String cursor = page.path("next_cursor").asString();
    JsonNode rest =
        ok(
            Who.READER,
            "GET",
            "/admin/runs?thread=t-list&agent=echo&status=pending&cursor=" + cursor,
            null,
            200);
    assertThat(rest.path("runs").get(0).path("run_id").asString()).isEqualTo(first.toString());
    assertThat(rest.path("runs").get(0).path("agent").asString()).isEqualTo("echo");
    assertThat(rest.path("next_cursor").isNull()).isTrue();
    assertThat(
            ok(Who.READER, "GET", "/admin/runs/" + first + "/why", null, 200)
                .path("why")
                .asString())
        .isEqualTo("waiting_for_slot");
    JsonNode behind = ok(Who.READER, "GET", "/admin/runs/" + second + "/why", null, 200);
    assertThat(behind.path("why").asString()).isEqualTo("behind_run");
    assertThat(behind.path("behind").asString()).isEqualTo(first.toString());
    JsonNode cancelled = ok(Who.CLIENT, "POST", "/admin/runs/" + first + "/cancel", null, 200);
    assertThat(cancelled.path("status").asString()).isEqualTo("cancelled");
    JsonNode events = ok(Who.READER, "GET", "/admin/runs/" + first + "/events", null, 200);
    assertThat(events.path("events").get(0).path("kind").asString()).isEqualTo("run.cancelled");
    assertThat(
            ok(Who.READER, "GET", "/admin/runs/" + first + "/events?after=1", null, 200)
                .path("events")
                .size())
        .isZero();
    refused(
        Who.CLIENT,
        "POST /threads/t-list/runs/" + second + "/permissions/p1",
        "{\"option_id\":\"yes\"}",
        409,
        "not_waiting");
    refused(
        Who.CLIENT,
        "POST /threads/other/runs/" + second + "/permissions/p1",
        "{\"option_id\":\"yes\"}",
        404,
        "run_not_found");
    refused(
        Who.CLIENT,
        "POST /threads/t-list/runs/" + second + "/permissions/p1",
        "{\"outcome\":\"perhaps\"}",
        422,
        "unknown_value");
  }

  @Test
  void a_thread_is_paused_and_resumed() {
    addEcho();
    RunId run = post("t-pause");
    ok(Who.ADMIN, "POST", "/admin/threads/t-pause/pause", null, 200);
    JsonNode why = ok(Who.READER, "GET", "/admin/runs/" + run + "/why", null, 200);
    assertThat(why.path("why").asString()).isEqualTo("paused");
    assertThat(why.path("by").asString()).isEqualTo("first-admin");
    ok(Who.ADMIN, "POST", "/admin/threads/t-pause/resume", null, 200);
    assertThat(
            ok(Who.READER, "GET", "/admin/runs/" + run + "/why", null, 200).path("why").asString())
        .isEqualTo("waiting_for_slot");
  }

  @Test
  void bad_values_are_refused_by_name() {
    assertThat(
            refused(Who.READER, "GET /admin/runs?limit=-1", null, 422, "out_of_range")
                .path("field")
                .asString())
        .isEqualTo("limit");
    refused(Who.READER, "GET /admin/runs?status=done", null, 422, "unknown_value");
    refused(Who.READER, "GET /admin/runs?cursor=x", null, 422, "invalid_cursor");
    refused(Who.READER, "GET /admin/runs?agent=nobody", null, 404, "agent_not_found");
    refused(Who.READER, "GET /admin/runs/" + "x".repeat(10_240), null, 404, "run_not_found");
    refused(Who.ADMIN, "POST /admin/agents", "[]", 422, "body_not_object");
    refused(Who.ADMIN, "POST /admin/agents", "{", 400, "body_not_json");
  }

  @Test
  void what_is_another_organization_s_looks_as_if_it_never_existed() {
    addEcho();
    RunId run = post("t-wall");
    String never = RunId.next().toString();
    NewKey stranger = tenancy.createOrganization("stranger", null).adminKey();
    for (String call :
        List.of(
            "GET /admin/runs/%s",
            "GET /admin/runs/%s/why", "GET /admin/runs/%s/events", "POST /admin/runs/%s/cancel")) {
      assertThat(foreign(stranger, call, run.toString())).isEqualTo(foreign(stranger, call, never));
    }
    assertThat(foreign(stranger, "POST /admin/threads/%s/pause", "t-wall"))
        .isEqualTo(foreign(stranger, "POST /admin/threads/%s/pause", "t-none"));
    assertThat(foreign(stranger, "GET /admin/agents/%s", "echo"))
        .isEqualTo(foreign(stranger, "GET /admin/agents/%s", "none"));
    assertThat(orchestrator.conversations().run(ours, run).orElseThrow().status().terminal())
        .isFalse();
  }

  private String foreign(NewKey key, String call, String id) {
    String[] parts = call.formatted(id).split(" ");
    var response = send(key.text(), parts[0], parts[1], null);
    assertThat(response.statusCode()).as(call).isEqualTo(404);
    ObjectNode body = (ObjectNode) Json.parse(response.body());
    body.remove("request_id");
    body.remove("trace_id");
    return body.toString().replace(id, "ID");
  }

  @Test
  void health_says_whether_requests_should_come_here() {
    ok(Who.ANYBODY, "GET", "/health/live", null, 200);
    ok(Who.ANYBODY, "GET", "/health/ready", null, 200);
    notReady.add("draining");
    try {
      assertThat(
              ok(Who.ANYBODY, "GET", "/health/ready", null, 503).path("reasons").get(0).asString())
          .isEqualTo("draining");
    } finally {
      notReady.clear();
    }
    JsonNode slots = ok(Who.ANYBODY, "GET", "/health/orchestrator", null, 200);
    assertThat(slots.path("reserved_conversation_locks").asInt()).isEqualTo(13);
    assertThat(slots.path("cap").asInt()).isEqualTo(16);
    assertThat(slots.path("near_cap").asBoolean()).isTrue();
    assertThat(send(null, "GET", "/metrics", null).body()).contains("turnkeeper_http_request");
  }

  @Test
  void the_queue_of_all_organizations_is_the_operator_s_to_see() {
    assertThat(ok(Who.ADMIN, "GET", "/admin/status", null, 200).has("queue")).isFalse();
    JsonNode status = ok(Who.OPERATOR, "GET", "/admin/status", null, 200);
    assertThat(status.path("queue").path("runs_pending").asInt()).isEqualTo(7);
    assertThat(status.path("replicas").get(0).path("self").asBoolean()).isTrue();
  }

  @Test
  void a_replica_is_capped_drained_and_given_back_its_own_cap() {
    JsonNode capped = ok(Who.OPERATOR, "POST", "/admin/replicas/1/cap", "{\"max_leases\":5}", 200);
    assertThat(capped.path("wanted_leases").asInt()).isEqualTo(5);
    assertThat(
            ok(Who.OPERATOR, "POST", "/admin/replicas/1/drain", null, 200)
                .path("wanted_leases")
                .asInt(-1))
        .isZero();
    assertThat(
            ok(Who.OPERATOR, "POST", "/admin/replicas/1/cap", "{\"max_leases\":null}", 200)
                .path("wanted_leases")
                .isNull())
        .isTrue();
    refused(Who.OPERATOR, "POST /admin/replicas/1/cap", "{\"max_leases\":-1}", 422, "out_of_range");
    refused(Who.OPERATOR, "POST /admin/replicas/1/cap", "{}", 422, "field_missing");
    refused(Who.OPERATOR, "POST /admin/replicas/1/cap", "{\"cap\":1}", 422, "unknown_field");
    for (String nobody : List.of("2", "0", "x", "99999999999")) {
      refused(
          Who.OPERATOR,
          "POST /admin/replicas/" + nobody + "/drain",
          null,
          404,
          "replica_not_found");
    }
  }
}
