package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.DbTest;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Requests as a seed makes them from the API's own document: some as it says, most nearly so. None
 * may be answered with 5xx, save 501 for what is said not to be served, and none may leave an ERROR
 * in the log. The same requests again: {@code -Drequests.seed=N}; more: {@code
 * -Drequests.seconds=N}.
 */
@DbTest
@Tag("embedded")
@Timeout(600)
class RandomRequestsTest {
  private static final Logger log = LoggerFactory.getLogger(RandomRequestsTest.class);
  private static final Duration WHILE = Duration.ofSeconds(Long.getLong("requests.seconds", 8));
  private static final Duration PATIENCE = Duration.ofSeconds(2);

  /** Far more than a machine that does other things makes in that time, were nothing wrong. */
  private static final int REQUESTS_MIN = 100;

  private static final List<String> ODD =
      List.of(
          "",
          " ",
          "0",
          "-1",
          "9223372036854775808",
          "1e999",
          "null",
          "a\u0000b",
          "\ud800",
          "\ud83d\ude00",
          "../../etc/passwd",
          "%00",
          "' OR 1=1 --",
          "{}",
          "x".repeat(300),
          "x".repeat(5_000),
          "http://127.0.0.1/",
          "running",
          "values",
          "-infinity",
          "2026-13-45T99:99:99Z");

  private final long seed = Long.getLong("requests.seed", System.nanoTime());
  private final Random random = new Random(seed);
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Server server;
  private final List<String> keys = new ArrayList<>();
  private final List<String> known = new ArrayList<>(List.of("cat", "far", "t1", "default", "p1"));
  private final JsonNode document;

  RandomRequestsTest(DatabaseUrl url, @TempDir Path data) {
    String who =
        url.user().map(user -> user + url.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    Map<String, String> flags =
        Map.of(
            "port",
            "0",
            // What the requests began need not end well.
            "drain-timeout",
            "0s",
            "data",
            data.toString(),
            "database-url",
            url.toString().replaceFirst("//[^/@]*@", "//").replaceFirst("//", "//" + who));
    var inputs =
        new ConfigLoader.Inputs(
            Map.of(), flags, Optional.empty(), data, ConfigLoader.Machine.here());
    server = Server.start(ConfigLoader.load(inputs).settings(), (at, admin) -> {});
    keys.add(server.newAdminKey().orElseThrow());
    prepare();
    document = Json.parse(text("GET", "/openapi.json", null));
  }

  private void prepare() {
    made("/admin/agents", "{\"name\":\"cat\",\"kind\":\"command\",\"command\":[\"cat\"]}");
    made("/admin/agents", "{\"name\":\"far\",\"kind\":\"remote\"}");
    String other =
        made("/admin/organizations", "{\"name\":\"other\"}").path("admin_key").asString();
    for (String role : List.of("client", "reader")) {
      String body = "{\"name\":\"%s\",\"role\":\"%s\"}".formatted(role, role);
      keys.add(made("/admin/keys", body).path("key").asString());
    }
    String worker = "{\"name\":\"w\",\"role\":\"worker\",\"agent\":\"far\"}";
    String workerKey = made("/admin/keys", worker).path("key").asString();
    made("/threads", "{\"thread_id\":\"t1\"}");
    made("/threads/t1/runs", "{\"assistant_id\":\"cat\",\"input\":\"hi\"}");
    String run =
        made("/runs", "{\"assistant_id\":\"far\",\"input\":\"hi\"}").path("run_id").asString();
    keys.add(workerKey);
    String token =
        Json.parse(text(workerKey, "POST", "/worker/claim", "{\"worker\":\"w\",\"wait_ms\":15000}"))
            .path("runs")
            .path(0)
            .path("token")
            .asString("none");
    keys.add(token);
    keys.add(other);
    keys.add("tk_nonsense");
    known.add(run);
  }

  private JsonNode made(String path, String body) {
    return Json.parse(text("POST", path, body));
  }

  private String text(String method, String path, @Nullable String body) {
    return text(keys.getFirst(), method, path, body);
  }

  private String text(String key, String method, String path, @Nullable String body) {
    var request =
        HttpRequest.newBuilder(URI.create(server.url() + path))
            .header("x-api-key", key)
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    try {
      HttpResponse<String> answer = client.send(request.build(), BodyHandlers.ofString());
      assertThat(answer.statusCode()).as(path + ": " + answer.body()).isBetween(200, 299);
      return answer.body();
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(path, failed);
    }
  }

  @AfterAll
  void stop() {
    server.close();
    client.close();
  }

  private record Operation(String method, String path, JsonNode described) {}

  private List<Operation> operations() {
    List<Operation> all = new ArrayList<>();
    document
        .path("paths")
        .properties()
        .forEach(path ->
            path.getValue()
                .properties()
                .forEach(one ->
                    all.add(
                        new Operation(
                            one.getKey().toUpperCase(Locale.ROOT),
                            path.getKey(),
                            one.getValue()))));
    return all;
  }

  private record Answer(int status, String body) {}

  @Test
  void no_request_that_the_document_allows_or_nearly_allows_breaks_the_server() {
    List<Operation> operations = operations();
    assertThat(operations).hasSizeGreaterThan(70);
    long until = System.nanoTime() + WHILE.toNanos();
    int sent = 0;
    while (System.nanoTime() < until) {
      HttpRequest request = request(operations.get(random.nextInt(operations.size())));
      Answer answer = send(request);
      sent++;
      boolean notServed = answer.status() == 501 && answer.body().contains("Not supported");
      assertThat(answer.status() < 500 || notServed)
          .as(
              "-Drequests.seed=%d, request %d: %s %s with %s is answered with %d %s",
              seed, sent, request.method(), request.uri(), lastBody, answer.status(), answer.body())
          .isTrue();
    }
    log.info("{} requests of seed {}", sent, seed);
    assertThat(sent).as("requests of seed %d", seed).isGreaterThan(REQUESTS_MIN);
  }

  private String lastBody = "";

  private HttpRequest request(Operation operation) {
    StringBuilder path = new StringBuilder();
    for (String segment : operation.path().substring(1).split("/")) {
      path.append('/').append(segment.startsWith("{") ? encoded(name()) : segment);
    }
    List<String> query = new ArrayList<>();
    HttpRequest.Builder request = HttpRequest.newBuilder().timeout(PATIENCE);
    for (JsonNode parameter : operation.described().path("parameters")) {
      String name = parameter.path("name").asString();
      if (!chance(0.4)) {
        continue;
      }
      switch (parameter.path("in").asString()) {
        case "query" -> query.add(encoded(name) + "=" + encoded(plain(parameter.path("schema"))));
        case "header" -> request.setHeader(name, header());
        default -> {}
      }
    }
    String asked = query.isEmpty() ? "" : "?" + String.join("&", query);
    request.uri(URI.create(server.url() + path.toString() + asked));
    if (chance(0.95)) {
      request.setHeader("x-api-key", one(keys));
    }
    lastBody = body(operation.described());
    request.setHeader("content-type", chance(0.95) ? "application/json" : "text/plain");
    request.method(
        operation.method(),
        lastBody.isEmpty() ? BodyPublishers.noBody() : BodyPublishers.ofString(lastBody));
    return request.build();
  }

  private Answer send(HttpRequest request) {
    try {
      HttpResponse<InputStream> answer = client.send(request, BodyHandlers.ofInputStream());
      // A stream has no end of its own: its status is all that is asked.
      boolean stream =
          answer.headers().firstValue("content-type").orElse("").startsWith("text/event-stream");
      try (InputStream body = answer.body()) {
        return new Answer(
            answer.statusCode(),
            stream || answer.statusCode() < 500
                ? ""
                : new String(body.readAllBytes(), StandardCharsets.UTF_8));
      }
    } catch (HttpTimeoutException waits) {
      return new Answer(0, "");
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(
          "-Drequests.seed=" + seed + ": " + request.method() + " " + request.uri(), failed);
    }
  }

  private String body(JsonNode operation) {
    JsonNode schema = operation.path("requestBody").path("content").path("application/json");
    if (schema.isMissingNode()) {
      return chance(0.1) ? "{}" : "";
    }
    if (chance(0.05)) {
      return one(
          List.of("", "{", "[]", "null", "7", "\"x\"", "[".repeat(300), "{\"a\":1,\"a\":2}"));
    }
    return Json.write(value(schema.path("schema"), 4));
  }

  private JsonNode value(JsonNode given, int depth) {
    JsonNode schema = given;
    String ref = schema.path("$ref").asString("");
    if (!ref.isEmpty()) {
      schema = document.at(ref.substring(1));
    }
    if (chance(0.12) || depth == 0) {
      return junk(depth);
    }
    if (schema.path("enum").isArray() && !schema.path("enum").isEmpty()) {
      return schema.path("enum").get(random.nextInt(schema.path("enum").size()));
    }
    for (String many : List.of("anyOf", "oneOf")) {
      if (schema.path(many).isArray() && !schema.path(many).isEmpty()) {
        return value(schema.path(many).get(random.nextInt(schema.path(many).size())), depth);
      }
    }
    return switch (schema.path("type").asString("")) {
      case "object" -> object(schema, depth);
      case "array" -> {
        ArrayNode list = Json.array();
        for (int i = random.nextInt(3); i >= 0; i--) {
          list.add(value(schema.path("items"), depth - 1));
        }
        yield list;
      }
      case "integer" -> Json.array().add(random.nextInt(200) - 20).get(0);
      case "number" -> Json.array().add(random.nextGaussian() * 100).get(0);
      case "boolean" -> Json.array().add(random.nextBoolean()).get(0);
      case "string" -> Json.array().add(name()).get(0);
      default -> junk(depth);
    };
  }

  private ObjectNode object(JsonNode schema, int depth) {
    ObjectNode object = Json.object();
    schema
        .path("properties")
        .properties()
        .forEach(property -> {
          if (chance(0.6)) {
            object.set(property.getKey(), value(property.getValue(), depth - 1));
          }
        });
    if (schema.path("properties").isEmpty() || chance(0.1)) {
      object.set(one(ODD).replace("\ud800", "?"), junk(depth));
    }
    // Without these most requests end at the first check.
    if (object.has("assistant_id") && chance(0.8)) {
      object.put("assistant_id", chance(0.8) ? "cat" : "far");
    }
    if (object.has("input") && chance(0.8)) {
      object.put("input", "hi");
    }
    return object;
  }

  private JsonNode junk(int depth) {
    return switch (random.nextInt(8)) {
      case 0 -> Json.object();
      case 1 -> Json.array();
      case 2 -> Json.array().addNull().get(0);
      case 3 -> Json.array().add(random.nextLong()).get(0);
      case 4 -> Json.array().add(random.nextBoolean()).get(0);
      case 5 -> Json.array().add(random.nextDouble() * 1e300).get(0);
      case 6 -> depth > 0 ? Json.object().set("a", junk(depth - 1)) : Json.object();
      // Half a surrogate pair is sent as an escape.
      default -> Json.array().add(one(ODD)).get(0);
    };
  }

  private String plain(JsonNode schema) {
    return schema.path("type").asString("").equals("integer") && chance(0.7)
        ? Integer.toString(random.nextInt(1_200) - 100)
        : name();
  }

  private String name() {
    return switch (random.nextInt(4)) {
      case 0 -> Uuid7.next().toString();
      case 1 -> one(ODD);
      default -> one(known);
    };
  }

  private String header() {
    return name().replaceAll("[^ -~]", "?").strip();
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text.isEmpty() ? " " : text, StandardCharsets.UTF_8)
        .replace("+", "%20");
  }

  private boolean chance(double share) {
    return random.nextDouble() < share;
  }

  private <T> T one(List<T> of) {
    return of.get(random.nextInt(of.size()));
  }
}
