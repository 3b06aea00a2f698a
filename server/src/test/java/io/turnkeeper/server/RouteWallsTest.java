package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.DbTest;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Every route of a whole replica, as every role and with every kind of another tenant's ids. */
@DbTest
@Timeout(120)
@Promise(8)
class RouteWallsTest {
  /** Who a route serves. Each includes those above it, up to the operator; the rest do not. */
  private enum Who {
    ANYBODY,
    READER,
    CLIENT,
    ADMIN,
    OPERATOR,
    /** A key that is bound to one agent. */
    WORKER,
    /** The token of one run, and no key at all. */
    RUN;

    boolean serves(Who caller) {
      return this == WORKER || this == RUN || caller == WORKER
          ? caller == this || this == ANYBODY
          : caller.compareTo(this) >= 0;
    }
  }

  /** Each route by the least that it needs. A route without a row fails the test. */
  private static final Map<Who, String> TABLE =
      Map.of(
          Who.ANYBODY,
          """
          GET /ok
          GET /info
          GET /openapi.json
          GET /metrics
          GET /health/live
          GET /health/ready
          GET /health/orchestrator
          """,
          Who.READER,
          """
          GET /admin/whoami
          GET /admin/status
          GET /admin/agents
          GET /admin/agents/{name}
          GET /admin/agents/{name}/versions
          GET /admin/runs
          GET /admin/runs/{run_id}
          GET /admin/runs/{run_id}/why
          GET /admin/runs/{run_id}/events
          POST /threads/search
          POST /threads/count
          GET /threads/{thread_id}
          GET /threads/{thread_id}/state
          GET /threads/{thread_id}/export
          POST /threads/{thread_id}/state/checkpoint
          GET /threads/{thread_id}/state/{checkpoint_id}
          GET /threads/{thread_id}/history
          POST /threads/{thread_id}/history
          GET /threads/{thread_id}/stream
          GET /threads/{thread_id}/runs
          GET /threads/{thread_id}/runs/{run_id}
          GET /threads/{thread_id}/runs/{run_id}/join
          GET /threads/{thread_id}/runs/{run_id}/stream
          GET /runs/{run_id}
          GET /runs/{run_id}/stream
          GET /runs/{run_id}/join
          POST /assistants/search
          POST /assistants/count
          GET /assistants/{assistant_id}
          GET /assistants/{assistant_id}/schemas
          GET /assistants/{assistant_id}/graph
          GET /assistants/{assistant_id}/subgraphs
          POST /assistants/{assistant_id}/versions
          POST /agents/search
          GET /agents/{assistant_id}
          GET /agents/{assistant_id}/schemas
          POST /store/items/search
          POST /store/namespaces
          GET /store/items
          POST /threads/{thread_id}/runs/crons
          POST /runs/crons
          POST /runs/crons/search
          POST /runs/crons/count
          PATCH /runs/crons/{cron_id}
          DELETE /runs/crons/{cron_id}
          PUT /store/items
          DELETE /store/items
          """,
          Who.CLIENT,
          """
          POST /threads
          PATCH /threads/{thread_id}
          DELETE /threads/{thread_id}
          POST /threads/{thread_id}/copy
          POST /threads/{thread_id}/state
          PATCH /threads/{thread_id}/state
          POST /threads/{thread_id}/runs
          POST /threads/{thread_id}/runs/stream
          POST /threads/{thread_id}/runs/wait
          DELETE /threads/{thread_id}/runs/{run_id}
          POST /threads/{thread_id}/runs/{run_id}/cancel
          POST /threads/{thread_id}/runs/{run_id}/permissions/{permission_id}
          POST /runs
          POST /runs/stream
          POST /runs/wait
          POST /runs/batch
          POST /runs/cancel
          POST /runs/{run_id}/cancel
          POST /admin/runs/{run_id}/cancel
          """,
          Who.ADMIN,
          """
          POST /admin/keys
          GET /admin/keys
          DELETE /admin/keys/{id}
          POST /admin/keys/{id}/limits
          GET /admin/audit
          GET /admin/webhooks/secret
          POST /admin/webhooks/secret
          POST /admin/agents
          DELETE /admin/agents/{name}
          POST /admin/agents/{name}/pause
          POST /admin/agents/{name}/resume
          POST /admin/threads/{thread_id}/pause
          POST /admin/threads/{thread_id}/resume
          POST /assistants
          PATCH /assistants/{assistant_id}
          DELETE /assistants/{assistant_id}
          """,
          Who.OPERATOR,
          """
          POST /admin/organizations
          GET /admin/organizations
          POST /admin/organizations/{name}/pause
          POST /admin/organizations/{name}/resume
          POST /admin/organizations/{name}/limits
          DELETE /admin/organizations/{name}
          POST /admin/secrets/rotate
          GET /admin/replicas
          POST /admin/replicas/{id}/drain
          POST /admin/replicas/{id}/cap
          """,
          Who.WORKER,
          """
          GET /worker/stream
          POST /worker/claim
          """,
          Who.RUN,
          """
          POST /worker/response
          POST /worker/heartbeat
          GET /worker/thread
          POST /worker/events
          GET /worker/transcript/snapshot
          POST /worker/transcript/snapshot
          DELETE /worker/transcript/snapshot
          """);

  /** Open for as long as the worker is there; so it is refused for its name instead. */
  private static final String STREAM = "/worker/stream";

  /** Bodies without which a route would refuse before it looks for the thing. */
  private static final Map<String, String> BODIES =
      Map.of(
          "POST /threads/{thread_id}/state/checkpoint", "{}",
          "POST /threads/{thread_id}/runs", "{\"assistant_id\":\"OWN\",\"input\":\"hi\"}",
          "POST /threads/{thread_id}/runs/stream", "{\"assistant_id\":\"OWN\",\"input\":\"hi\"}",
          "POST /threads/{thread_id}/runs/wait", "{\"assistant_id\":\"OWN\",\"input\":\"hi\"}",
          "POST /threads/{thread_id}/runs/{run_id}/permissions/{permission_id}",
              "{\"option_id\":\"yes\"}",
          "PATCH /threads/{thread_id}", "{\"metadata\":{\"a\":1}}");

  /** What has an id in its path and looks for nothing: refused with 501, whatever the id. */
  private static final List<String> NOT_SERVED =
      List.of("/crons", "/copy", "/store/", "PATCH /assistants", "DELETE /assistants");

  private static final int TIMED_ROUNDS = 60;
  private static final double TIMING_FACTOR_MAX = 2.0;

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Server server;
  private final Map<Who, String> keys = new EnumMap<>(Who.class);
  private final String victimKey;
  private final Map<String, String> victims = new TreeMap<>();

  RouteWallsTest(DatabaseUrl url, @TempDir Path data) {
    Map<String, String> flags =
        Map.of("port", "0", "data", data.toString(), "database-url", withUser(url));
    var inputs =
        new ConfigLoader.Inputs(
            Map.of(), flags, Optional.empty(), data, ConfigLoader.Machine.here());
    server = Server.start(ConfigLoader.load(inputs).settings(), (at, admin) -> {});
    keys.put(Who.OPERATOR, server.newAdminKey().orElseThrow());
    keys.put(Who.ADMIN, organization("attacker"));
    for (Who who : List.of(Who.CLIENT, Who.READER)) {
      String name = who.name().toLowerCase(Locale.ROOT);
      String body = "{\"name\":\"%s\",\"role\":\"%s\"}".formatted(name, name);
      keys.put(who, done(keys.get(Who.ADMIN), "POST", "/admin/keys", body).path("key").asString());
    }
    victimKey = organization("victim");
    addAgent(keys.get(Who.ADMIN), "own");
    addAgent(victimKey, "secret-agent");
    String admin = keys.get(Who.ADMIN);
    done(admin, "POST", "/admin/agents", "{\"name\":\"far\",\"kind\":\"remote\"}");
    String worker = "{\"name\":\"w\",\"role\":\"worker\",\"agent\":\"far\"}";
    keys.put(Who.WORKER, done(admin, "POST", "/admin/keys", worker).path("key").asString());
    JsonNode run =
        done(
            victimKey,
            "POST",
            "/threads/secret-thread/runs",
            "{\"assistant_id\":\"secret-agent\",\"if_not_exists\":\"create\",\"input\":\"hi\"}");
    String theirs =
        done(victimKey, "POST", "/admin/keys", "{\"name\":\"k\",\"role\":\"reader\"}")
            .path("id")
            .asString();
    victims.put("thread_id", "secret-thread");
    victims.put("run_id", run.path("run_id").asString());
    victims.put("checkpoint_id", run.path("run_id").asString());
    victims.put("assistant_id", run.path("assistant_id").asString());
    victims.put("name", "secret-agent");
    victims.put("id", theirs);
    victims.put("permission_id", "p1");
    victims.put("cron_id", Uuid7.next().toString());
  }

  private String organization(String name) {
    return done(
            keys.get(Who.OPERATOR), "POST", "/admin/organizations", "{\"name\":\"" + name + "\"}")
        .path("admin_key")
        .asString();
  }

  private void addAgent(@Nullable String key, String name) {
    done(
        key,
        "POST",
        "/admin/agents",
        "{\"name\":\"" + name + "\",\"kind\":\"command\",\"command\":[\"cat\"]}");
  }

  private static String withUser(DatabaseUrl url) {
    String who =
        url.user().map(user -> user + url.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    return url.toString().replaceFirst("//[^/@]*@", "//").replaceFirst("//", "//" + who);
  }

  @AfterAll
  void stop() {
    server.close();
    client.close();
  }

  private HttpResponse<String> send(
      @Nullable String key, String method, String path, @Nullable String body) {
    var request =
        HttpRequest.newBuilder(URI.create(server.url() + path))
            .timeout(Duration.ofSeconds(20))
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    if (key != null) {
      request.header("x-api-key", key);
    }
    try {
      return client.send(request.build(), BodyHandlers.ofString());
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(method + " " + path, failed);
    }
  }

  private JsonNode done(@Nullable String key, String method, String path, @Nullable String body) {
    HttpResponse<String> answer = send(key, method, path, body);
    assertThat(answer.statusCode()).as(path + ": " + answer.body()).isBetween(200, 299);
    return answer.body().isBlank() ? Json.object() : Json.parse(answer.body());
  }

  private List<String> routes() {
    List<String> routes = new ArrayList<>();
    ObjectNode paths = (ObjectNode) done(null, "GET", "/openapi.json", null).path("paths");
    for (Map.Entry<String, JsonNode> path : paths.properties()) {
      for (String method : ((ObjectNode) path.getValue()).propertyNames()) {
        routes.add(method.toUpperCase(Locale.ROOT) + " " + path.getKey());
      }
    }
    return routes;
  }

  private static Map<String, Who> table() {
    Map<String, Who> table = new TreeMap<>();
    TABLE.forEach((who, rows) -> rows.lines().forEach(row -> table.put(row, who)));
    return table;
  }

  private record Call(String method, String path) {
    static Call of(String route) {
      String[] parts = route.split(" ");
      return new Call(parts[0], parts[1]);
    }
  }

  @Test
  void every_route_has_a_row_and_asks_for_its_role() {
    Map<String, Who> table = table();
    assertThat(new TreeSet<>(routes())).isEqualTo(new TreeSet<>(table.keySet()));
    table.forEach((route, least) -> {
      Call call = Call.of(route);
      String path =
          call.path().replaceAll("\\{[a-z_]+}", "none").replace(STREAM, STREAM + "?worker=!");
      for (Who who : keys.keySet()) {
        int status = send(keys.get(who), call.method(), path, null).statusCode();
        String as = route + " as " + who;
        if (least.serves(who)) {
          assertThat(status).as(as).isNotIn(401, 403, 405, 500, 503);
        } else {
          assertThat(status).as(as).isEqualTo(403);
        }
      }
      int stranger = send(null, call.method(), path, null).statusCode();
      if (least == Who.ANYBODY) {
        assertThat(stranger).as(route).isNotIn(401, 403, 405, 500, 503);
      } else {
        assertThat(stranger).as(route).isEqualTo(401);
      }
    });
  }

  @Test
  void a_run_s_token_opens_the_routes_of_its_run_and_no_other() {
    String client = keys.get(Who.CLIENT);
    String run =
        done(client, "POST", "/runs", "{\"assistant_id\":\"far\",\"input\":\"hi\"}")
            .path("run_id")
            .asString();
    String asking = "{\"worker\":\"w\",\"wait_ms\":15000}";
    JsonNode given =
        done(keys.get(Who.WORKER), "POST", "/worker/claim", asking).path("runs").path(0);
    assertThat(given.path("run_id").asString()).isEqualTo(run);
    String token = given.path("token").asString();
    table().entrySet().stream()
        .filter(row -> row.getValue() == Who.RUN)
        .map(row -> Call.of(row.getKey()))
        .forEach(call ->
            assertThat(send(token, call.method(), call.path(), null).statusCode())
                .as(call.toString())
                .isNotIn(401, 403, 405, 500, 503));
    for (String route :
        List.of("GET /worker/stream?worker=!", "GET /admin/whoami", "POST /threads")) {
      Call call = Call.of(route);
      assertThat(send(token, call.method(), call.path(), null).statusCode()).isEqualTo(401);
    }
    // The scope is the token's: another tenant's run is as far away as one that never was.
    String path = "/worker/transcript/snapshot";
    HttpResponse<String> theirs = send(token, "POST", path, snapshot(victims.get("run_id")));
    HttpResponse<String> nobodys = send(token, "POST", path, snapshot(Uuid7.next().toString()));
    assertThat(theirs.statusCode()).isEqualTo(403);
    assertThat(anonymous(theirs.body(), List.of())).isEqualTo(anonymous(nobodys.body(), List.of()));
    String end = "{\"events\":[{\"seq\":1,\"type\":\"result\",\"status\":\"completed\"}]}";
    done(token, "POST", "/worker/response", end);
  }

  private static String snapshot(@Nullable String run) {
    return "{\"run_id\":\"" + run + "\",\"snapshot\":\"x\"}";
  }

  /**
   * A request for the same route, with ids that belong to somebody and with ids that never were.
   */
  private record Probe(String route, String theirs, String nobodys, @Nullable String body) {}

  private Stream<Probe> probes() {
    return table().entrySet().stream()
        .filter(row -> row.getKey().contains("{") && row.getValue().compareTo(Who.ADMIN) <= 0)
        .filter(row -> NOT_SERVED.stream().noneMatch(row.getKey()::contains))
        .map(row -> {
          String route = row.getKey();
          String body = BODIES.get(route);
          return new Probe(
              route,
              fill(route, victims),
              fill(route, strangers()),
              body == null ? null : body.replace("OWN", "own"));
        });
  }

  private Map<String, String> strangers() {
    Map<String, String> none = new TreeMap<>();
    victims.forEach((name, id) ->
        none.put(
            name, Uuid7.parse(id).isPresent() ? Uuid7.next().toString() : "x" + id.substring(1)));
    return none;
  }

  private static String fill(String route, Map<String, String> ids) {
    String path = Call.of(route).path();
    for (Map.Entry<String, String> id : ids.entrySet()) {
      path = path.replace("{" + id.getKey() + "}", id.getValue());
    }
    return path;
  }

  @Test
  void another_tenant_s_id_answers_as_one_that_never_existed_on_every_route() {
    String attacker = keys.get(Who.ADMIN);
    List<Probe> probes = probes().toList();
    assertThat(probes).hasSizeGreaterThan(35);
    for (Probe probe : probes) {
      String method = Call.of(probe.route()).method();
      HttpResponse<String> theirs = send(attacker, method, probe.theirs(), probe.body());
      HttpResponse<String> nobodys = send(attacker, method, probe.nobodys(), probe.body());
      assertThat(theirs.statusCode()).as(probe.route() + ": " + theirs.body()).isEqualTo(404);
      assertThat(anonymous(theirs.body(), victims.values()))
          .as(probe.route())
          .isEqualTo(anonymous(nobodys.body(), idsIn(probe)));
      assertThat(theirs.headers().map().keySet()).isEqualTo(nobodys.headers().map().keySet());
    }
    assertThat(
            done(victimKey, "GET", "/admin/agents/secret-agent", null).path("paused").asBoolean())
        .isFalse();
    done(victimKey, "GET", "/threads/secret-thread", null);
  }

  private static List<String> idsIn(Probe probe) {
    List<String> ids = new ArrayList<>();
    String[] template = Call.of(probe.route()).path().split("/");
    String[] filled = probe.nobodys().split("/");
    for (int i = 0; i < template.length; i++) {
      if (template[i].startsWith("{")) {
        ids.add(filled[i]);
      }
    }
    return ids;
  }

  private static JsonNode anonymous(String body, Iterable<String> ids) {
    String text = body;
    for (String id : ids) {
      text = text.replace(id, "ID");
    }
    ObjectNode node = (ObjectNode) Json.parse(text);
    node.remove(List.of("request_id", "trace_id"));
    return node;
  }

  @Test
  void another_tenant_s_ids_in_bodies_and_queries_find_nothing() {
    String attacker = keys.get(Who.ADMIN);
    String thread = victims.get("thread_id");
    String run = victims.get("run_id");
    String agent = victims.get("assistant_id");
    String post = "{\"assistant_id\":\"%s\",\"input\":\"hi\"}".formatted(agent);
    for (String path : List.of("/runs", "/runs/wait", "/runs/stream", "/threads/own-1/runs")) {
      assertThat(send(attacker, "POST", path, post).statusCode()).as(path).isEqualTo(404);
    }
    assertThat(send(attacker, "POST", "/runs/batch", "[" + post + "]").statusCode()).isEqualTo(404);
    String key = "{\"name\":\"w\",\"role\":\"worker\",\"agent\":\"%s\"}";
    for (String name : List.of("secret-agent", "never-was")) {
      assertThat(send(attacker, "POST", "/admin/keys", key.formatted(name)).statusCode())
          .isEqualTo(404);
    }
    String cancel = "{\"thread_id\":\"%s\",\"run_ids\":[\"%s\"]}".formatted(thread, run);
    assertThat(send(attacker, "POST", "/runs/cancel", cancel).statusCode()).isEqualTo(404);
    assertThat(send(attacker, "GET", "/admin/runs?agent=" + agent, null).statusCode())
        .isEqualTo(404);
    assertThat(done(attacker, "GET", "/admin/runs?thread=" + thread, null).path("runs")).isEmpty();
    assertThat(done(attacker, "GET", "/admin/runs?cursor=" + Uuid7.next(), null).path("runs"))
        .noneMatch(found -> found.path("run_id").asString().equals(run));
    for (String body : List.of("{}", "{\"ids\":[\"" + thread + "\"]}")) {
      assertThat(done(attacker, "POST", "/threads/search", body))
          .noneMatch(found -> found.path("thread_id").asString().equals(thread));
    }
    assertThat(done(attacker, "POST", "/assistants/search", "{}").toString())
        .contains("own")
        .doesNotContain("secret-agent");
    for (String path : List.of("/admin/agents", "/admin/keys")) {
      assertThat(send(attacker, "GET", path + "?organization=victim", null).statusCode())
          .as(path)
          .isEqualTo(403);
      assertThat(send(attacker, "GET", path + "?organization=nobody", null).statusCode())
          .as(path)
          .isEqualTo(403);
    }
  }

  @Test
  void who_did_what_is_read_in_pages_by_the_tenant_s_admins_only() {
    String admin = keys.get(Who.ADMIN);
    addAgent(admin, "audited");
    done(admin, "POST", "/threads", "{\"thread_id\":\"audited-thread\"}");
    done(admin, "DELETE", "/threads/audited-thread", null);
    send(admin, "DELETE", "/admin/agents/never-was", null);
    JsonNode page = done(admin, "GET", "/admin/audit?limit=3", null);
    assertThat(page.path("entries"))
        .extracting(
            entry -> entry.path("action").asString() + " " + entry.path("outcome").asString())
        .containsExactly("agent.remove refused", "agent.remove asked", "thread.delete asked");
    assertThat(page.path("entries").toString()).doesNotContain("audited-thread");
    JsonNode next =
        done(
            admin,
            "GET",
            "/admin/audit?limit=1&cursor=" + page.path("next_cursor").asString(),
            null);
    assertThat(next.path("entries").path(0).path("subject").asString()).isEqualTo("agent:audited");
    assertThat(
            done(admin, "GET", "/admin/audit?thread=audited-thread", null).path("entries").size())
        .isEqualTo(1);
    assertThat(done(victimKey, "GET", "/admin/audit", null).toString()).doesNotContain("audited");
  }

  @Test
  void over_a_limit_is_429_with_the_time_to_come_back_and_shows_in_status() {
    String key = organization("limited");
    done(
        keys.get(Who.OPERATOR),
        "POST",
        "/admin/organizations/limited/limits",
        "{\"queued\":0,\"streams\":3}");
    addAgent(key, "own");
    HttpResponse<String> full =
        send(key, "POST", "/runs", "{\"assistant_id\":\"own\",\"input\":\"hi\"}");
    assertThat(full.statusCode()).isEqualTo(429);
    assertThat(full.headers().firstValue("retry-after")).contains("1");
    assertThat(Json.parse(full.body()).path("code").asString()).isEqualTo("too_many_queued");
    JsonNode limits = done(key, "GET", "/admin/status", null).path("limits");
    assertThat(limits.path("queued").path("max").asInt(-1)).isZero();
    assertThat(limits.path("streams").path("max").asInt()).isEqualTo(3);
    assertThat(send(null, "GET", "/metrics", null).body())
        .containsPattern("turnkeeper_limited [1-9]");
    done(
        keys.get(Who.OPERATOR), "POST", "/admin/organizations/limited/limits", "{\"queued\":null}");
    done(key, "POST", "/runs", "{\"assistant_id\":\"own\",\"input\":\"hi\"}");
  }

  @Test
  void answers_may_not_be_framed_sniffed_cached_or_read_by_other_origins() {
    var headers = send(keys.get(Who.READER), "GET", "/admin/whoami", null).headers();
    assertThat(headers.firstValue("x-frame-options")).contains("DENY");
    assertThat(headers.firstValue("x-content-type-options")).contains("nosniff");
    assertThat(headers.firstValue("cache-control")).contains("no-store");
    assertThat(headers.firstValue("content-security-policy").orElse(""))
        .contains("default-src 'none'");
    assertThat(headers.firstValue("access-control-allow-origin")).isEmpty();
  }

  @Test
  void another_tenant_s_id_takes_as_long_as_one_that_never_existed() {
    String attacker = keys.get(Who.ADMIN);
    for (String route : List.of("GET /threads/{thread_id}", "GET /admin/runs/{run_id}")) {
      List<Long> theirs = new ArrayList<>();
      List<Long> nobodys = new ArrayList<>();
      for (int i = 0; i < TIMED_ROUNDS; i++) {
        theirs.add(nanos(attacker, fill(route, victims)));
        nobodys.add(nanos(attacker, fill(route, strangers())));
      }
      double ratio = (double) median(theirs) / median(nobodys);
      assertThat(ratio).as(route).isBetween(1 / TIMING_FACTOR_MAX, TIMING_FACTOR_MAX);
    }
  }

  private long nanos(@Nullable String key, String path) {
    long start = System.nanoTime();
    assertThat(send(key, "GET", path, null).statusCode()).isEqualTo(404);
    return System.nanoTime() - start;
  }

  private static long median(List<Long> values) {
    return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
  }
}
