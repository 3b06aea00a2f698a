package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.DbTest;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Every route of the console, as every role, and with another tenant's ids. */
@DbTest
@Timeout(120)
class ConsoleWallsTest {
  /** Who a route serves. Each includes those above it. */
  private enum Who {
    ANYBODY,
    READER,
    CLIENT,
    ADMIN,
    OPERATOR
  }

  /** Each route by the least that it needs. A route without a row fails the test. */
  private static final Map<Who, String> TABLE =
      Map.of(
          Who.ANYBODY,
          """
          GET /console/assets/{version}/{name}
          GET /console/sign-in
          POST /console/sign-in
          """,
          Who.READER,
          """
          POST /console/sign-out
          GET /console
          GET /console/live/overview
          GET /console/conversations
          GET /console/live/conversations
          GET /console/conversations/{id}
          GET /console/conversations/{id}/turns/{run_id}
          GET /console/conversations/{id}/export
          GET /console/live/conversations/{id}
          GET /console/runs
          GET /console/runs/{run_id}
          GET /console/live/runs
          GET /console/agents
          GET /console/live/agents
          GET /console/agents/{name}
          """,
          Who.CLIENT,
          """
          POST /console/conversations
          POST /console/conversations/{id}/send
          POST /console/conversations/{id}/runs/{run_id}/cancel
          POST /console/conversations/{id}/runs/{run_id}/retry
          POST /console/conversations/{id}/runs/{run_id}/answer
          POST /console/conversations/{id}/delete
          GET /console/bulk
          POST /console/bulk/step
          """,
          Who.ADMIN,
          """
          POST /console/conversations/{id}/pause
          POST /console/conversations/{id}/resume
          POST /console/agents/{name}/pause
          POST /console/agents/{name}/resume
          GET /console/tenants
          POST /console/keys
          POST /console/keys/{id}/revoke
          GET /console/audit
          """,
          Who.OPERATOR,
          """
          GET /console/replicas
          GET /console/live/replicas
          POST /console/replicas/{id}/cap
          POST /console/replicas/{id}/drain
          POST /console/tenants
          POST /console/tenants/limits
          POST /console/tenants/pause
          POST /console/tenants/resume
          """);

  private static final Pattern TOKEN =
      Pattern.compile("name=\"form_token\" value=\"([A-Za-z0-9_-]{43})\"");

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Server server;
  private final Map<Who, String> keys = new EnumMap<>(Who.class);
  private final Map<Who, Browser> browsers = new EnumMap<>(Who.class);
  private final String victimKey;
  private final Map<String, String> victims = new TreeMap<>();

  /** A session's cookie, and what its forms carry. */
  private record Browser(String cookie, String formToken) {}

  ConsoleWallsTest(DatabaseUrl url, @TempDir Path data) {
    Map<String, String> flags =
        Map.of("port", "0", "data", data.toString(), "database-url", withUser(url));
    var inputs =
        new ConfigLoader.Inputs(
            Map.of(), flags, Optional.empty(), data, ConfigLoader.Machine.here());
    server = Server.start(ConfigLoader.load(inputs).settings(), (at, admin) -> {});
    String operator = server.newAdminKey().orElseThrow();
    keys.put(Who.OPERATOR, operator);
    keys.put(Who.ADMIN, organization(operator, "attacker"));
    for (Who who : List.of(Who.CLIENT, Who.READER)) {
      String name = who.name().toLowerCase(Locale.ROOT);
      keys.put(
          who,
          api(
                  keys.get(Who.ADMIN),
                  "/admin/keys",
                  "{\"name\":\"%s\",\"role\":\"%s\"}".formatted(name, name))
              .path("key")
              .asString());
    }
    keys.forEach((who, key) -> browsers.put(who, signIn(key)));
    victimKey = organization(operator, "victim");
    api(
        victimKey,
        "/admin/agents",
        "{\"name\":\"secret-agent\",\"kind\":\"command\",\"command\":[\"cat\"]}");
    JsonNode run =
        api(
            victimKey,
            "/threads/secret-thread/runs",
            "{\"assistant_id\":\"secret-agent\",\"if_not_exists\":\"create\",\"input\":\"hi\"}");
    victims.put("{run_id}", run.path("run_id").asString());
    victims.put("{name}", "secret-agent");
    victims.put(
        "{key}",
        api(victimKey, "/admin/keys", "{\"name\":\"k\",\"role\":\"reader\"}")
            .path("id")
            .asString());
  }

  private String organization(String operator, String name) {
    return api(operator, "/admin/organizations", "{\"name\":\"" + name + "\"}")
        .path("admin_key")
        .asString();
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

  private <T> HttpResponse<T> send(HttpRequest.Builder request, HttpResponse.BodyHandler<T> body) {
    try {
      return client.send(request.timeout(Duration.ofSeconds(20)).build(), body);
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(failed);
    }
  }

  private HttpRequest.Builder to(String path) {
    return HttpRequest.newBuilder(URI.create(server.url() + path));
  }

  private JsonNode api(@Nullable String key, String path, String body) {
    HttpResponse<String> answer =
        send(
            to(path).header("x-api-key", String.valueOf(key)).POST(BodyPublishers.ofString(body)),
            BodyHandlers.ofString());
    assertThat(answer.statusCode()).as(path + ": " + answer.body()).isBetween(200, 299);
    return Json.parse(answer.body());
  }

  private HttpResponse<String> signIn(String key, String site) {
    return send(
        to("/console/sign-in")
            .header("sec-fetch-site", site)
            .POST(BodyPublishers.ofString("key=" + encoded(key))),
        BodyHandlers.ofString());
  }

  private Browser signIn(String key) {
    HttpResponse<String> in = signIn(key, "same-origin");
    assertThat(in.statusCode()).isEqualTo(303);
    String set = in.headers().firstValue("set-cookie").orElseThrow();
    assertThat(set).contains("; HttpOnly; SameSite=Lax; Max-Age=");
    String cookie = set.substring(0, set.indexOf(';'));
    Matcher token = TOKEN.matcher(page(new Browser(cookie, ""), "/console").body());
    assertThat(token.find()).isTrue();
    return new Browser(cookie, token.group(1));
  }

  private HttpResponse<String> page(@Nullable Browser browser, String path) {
    HttpRequest.Builder request = to(path).header("accept", "text/html");
    if (browser != null) {
      request.header("cookie", browser.cookie());
    }
    return send(request, BodyHandlers.ofString());
  }

  private HttpResponse<String> post(Browser browser, String path, String fields) {
    String body =
        "form_token=" + encoded(browser.formToken()) + (fields.isEmpty() ? "" : "&") + fields;
    return send(
        to(path).header("cookie", browser.cookie()).POST(BodyPublishers.ofString(body)),
        BodyHandlers.ofString());
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  private Browser as(Who who) {
    Browser browser = browsers.get(who);
    assertThat(browser).isNotNull();
    return java.util.Objects.requireNonNull(browser);
  }

  private static Map<String, Who> table() {
    Map<String, Who> table = new TreeMap<>();
    TABLE.forEach((who, rows) -> rows.lines().forEach(row -> table.put(row, who)));
    return table;
  }

  /** The status alone: a stream has no end. */
  private int status(@Nullable Browser browser, String route) {
    String[] parts = route.split(" ");
    HttpRequest.Builder request = to(parts[1].replaceAll("\\{[a-z_]+}", "none"));
    if (browser != null) {
      request.header("cookie", browser.cookie());
    }
    if (parts[0].equals("POST")) {
      String token = browser == null ? "" : browser.formToken();
      request.POST(BodyPublishers.ofString("form_token=" + encoded(token)));
    }
    HttpResponse<java.io.InputStream> answer = send(request, BodyHandlers.ofInputStream());
    try {
      answer.body().close();
    } catch (IOException closed) {
      throw new AssertionError(closed);
    }
    return answer.statusCode();
  }

  @Test
  void every_route_is_the_api_s_or_has_a_row_here_and_asks_for_its_role() {
    var described = page(null, "/openapi.json").body();
    var paths = Json.parse(described).path("paths");
    var undescribed =
        server.routes().stream()
            .filter(route -> paths.path(route.path()).isMissingNode())
            .map(route -> route.method() + " " + route.path())
            .collect(Collectors.toCollection(TreeSet::new));
    Map<String, Who> table = table();
    assertThat(undescribed).isEqualTo(new TreeSet<>(table.keySet()));
    table.forEach((route, least) -> {
      if (route.equals("POST /console/sign-out")) {
        return; // it would end the sessions of this test
      }
      for (Who who : Who.values()) {
        int status = status(browsers.get(who), route);
        String as = route + " as " + who;
        if (who.compareTo(least) >= 0) {
          assertThat(status).as(as).isNotIn(405, 500, 503);
          if (least != Who.ANYBODY) {
            assertThat(status).as(as).isNotIn(401, 403);
          }
        } else {
          assertThat(status).as(as).isEqualTo(who == Who.ANYBODY ? 401 : 403);
        }
      }
    });
  }

  @Test
  void another_tenant_s_ids_find_nothing_and_are_not_told_from_those_that_never_were() {
    Browser attacker = as(Who.ADMIN);
    for (Map.Entry<String, Who> row : table().entrySet()) {
      String route = row.getKey();
      if (!route.contains("{") || route.contains("/assets/") || route.contains("/replicas/")) {
        continue;
      }
      String theirs = route.replace("{id}", route.contains("/keys/") ? "{key}" : "secret-thread");
      for (Map.Entry<String, String> id : victims.entrySet()) {
        theirs = theirs.replace(id.getKey(), id.getValue());
      }
      String nobodys = theirs.replace("secret-", "public-");
      for (String id : victims.values()) {
        nobodys =
            Uuid7.parse(id).isPresent() ? nobodys.replace(id, Uuid7.next().toString()) : nobodys;
      }
      HttpResponse<String> found = any(attacker, theirs);
      assertThat(found.statusCode()).as(theirs + ": " + found.body()).isEqualTo(404);
      assertThat(any(attacker, nobodys).statusCode()).as(nobodys).isEqualTo(404);
    }
    for (String path : List.of("/console", "/console/runs", "/console/conversations")) {
      assertThat(page(attacker, path + "?organization=victim").statusCode()).isEqualTo(403);
      assertThat(page(attacker, path + "?organization=nobody").statusCode()).isEqualTo(403);
      assertThat(page(attacker, path).body()).doesNotContain("secret-");
    }
    assertThat(page(as(Who.OPERATOR), "/console/conversations?organization=victim").body())
        .contains("secret-thread");
  }

  private HttpResponse<String> any(Browser browser, String route) {
    String[] parts = route.split(" ");
    return parts[0].equals("GET")
        ? page(browser, parts[1])
        : post(browser, parts[1], "message=hi&permission=p1&option=yes");
  }

  @Test
  void a_form_of_another_site_or_session_does_nothing() {
    assertThat(signIn(keys.getOrDefault(Who.READER, ""), "cross-site").statusCode()).isEqualTo(403);
    Browser admin = as(Who.ADMIN);
    Browser forged = new Browser(admin.cookie(), as(Who.READER).formToken());
    assertThat(post(forged, "/console/keys", "name=stolen&role=admin").statusCode()).isEqualTo(403);
    assertThat(post(forged, "/console/sign-out", "").statusCode()).isEqualTo(403);
    assertThat(page(admin, "/console/tenants").body()).doesNotContain("stolen");
  }

  @Test
  void pages_run_the_console_s_own_scripts_only_and_are_kept_by_nobody() {
    var headers = page(as(Who.READER), "/console").headers();
    String policy = headers.firstValue("content-security-policy").orElse("");
    assertThat(policy)
        .contains("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'")
        .doesNotContain("unsafe", "*", "http");
    assertThat(headers.allValues("content-security-policy")).hasSize(1);
    assertThat(headers.firstValue("cache-control")).contains("no-store");
    assertThat(page(null, "/console/sign-in").body()).doesNotContain("<script", " style=");
    assertThat(page(as(Who.OPERATOR), "/console/tenants").body())
        .doesNotContainPattern("<script(?! src=)| style=| on[a-z]+=");
  }

  @Test
  void what_is_done_here_is_audited_under_the_same_names_as_through_the_api() {
    Browser admin = as(Who.ADMIN);
    HttpResponse<String> made = post(admin, "/console/keys", "name=short-lived&role=reader");
    assertThat(made.statusCode()).isEqualTo(200);
    Matcher secret =
        Pattern.compile("<pre id=\"secret\"[^>]*>(tk_[^<]+)</pre>").matcher(made.body());
    assertThat(secret.find()).isTrue();
    Browser shortLived = signIn(secret.group(1));
    Matcher id =
        Pattern.compile("/console/keys/([0-9a-f-]{36})/revoke")
            .matcher(
                made.body()
                    .substring(made.body().indexOf("short-lived", made.body().indexOf("Keys of"))));
    assertThat(id.find()).isTrue();
    assertThat(post(admin, "/console/keys/" + id.group(1) + "/revoke", "").statusCode())
        .isEqualTo(303);
    assertThat(page(shortLived, "/console").statusCode()).isEqualTo(303);
    assertThat(post(admin, "/console/keys/" + Uuid7.next() + "/revoke", "").statusCode())
        .isEqualTo(404);
    String log = page(admin, "/console/audit").body();
    assertThat(log).contains("key.create", "key:short-lived", "key.revoke", "key:" + id.group(1));
    assertThat(log).contains("refused");
    assertThat(page(admin, "/console/audit?subject=key:short-lived").body())
        .contains("key.create")
        .doesNotContain("key.revoke");
  }

  @Test
  void limits_are_shown_with_their_use_and_hold_for_what_is_written_here() {
    String key = organization(keys.getOrDefault(Who.OPERATOR, ""), "limited");
    api(key, "/admin/agents", "{\"name\":\"own\",\"kind\":\"command\",\"command\":[\"cat\"]}");
    Browser operator = as(Who.OPERATOR);
    assertThat(
            post(operator, "/console/tenants/limits", "name=limited&queued=0&max_running=7")
                .statusCode())
        .isEqualTo(303);
    Browser limited = signIn(key);
    HttpResponse<String> full = post(limited, "/console/conversations", "agent=own&message=hi");
    assertThat(full.statusCode()).as(full.body()).isEqualTo(429);
    assertThat(
            post(operator, "/console/conversations?organization=limited", "agent=own&message=hi")
                .statusCode())
        .isEqualTo(429);
    assertThat(page(limited, "/console/tenants").body()).contains("0 of 0", "0 of 7");
  }
}
