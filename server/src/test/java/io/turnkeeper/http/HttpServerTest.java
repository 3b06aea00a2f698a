package io.turnkeeper.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.telemetry.Metrics;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HttpServerTest {
  private static final int BODY_MAX = 1024;

  private final Metrics metrics = new Metrics();
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private HttpServer server;

  enum Color {
    RED,
    GREEN
  }

  @BeforeAll
  void start() {
    server = HttpServer.start(config(0, List.of("https://chat.example")), routes(), metrics);
  }

  @AfterAll
  void stop() {
    server.close();
    client.close();
  }

  private static HttpConfig config(int port, List<String> corsOrigins) {
    return new HttpConfig(
        "127.0.0.1",
        port,
        BODY_MAX,
        2,
        Duration.ofMillis(100),
        Duration.ofSeconds(1),
        Duration.ofSeconds(3),
        corsOrigins,
        null);
  }

  private static List<Route> routes() {
    List<Route> routes = new ArrayList<>();
    routes.add(
        Route.get(
            "/things/{id}",
            exchange -> exchange.text(200, "text/plain", exchange.pathParam("id"))));
    routes.add(Route.get("/things/count", exchange -> exchange.text(200, "text/plain", "counted")));
    routes.add(Route.post("/echo", exchange -> exchange.json(200, exchange.bodyJson())));
    routes.add(Route.delete("/things/{id}", exchange -> exchange.empty(204)));
    routes.add(
        Route.get(
            "/refuse",
            _ -> {
              throw new Refusal.Limited("too_many", "later", Duration.ofMillis(1500));
            }));
    routes.add(
        Route.post(
            "/refuse",
            _ -> {
              throw new Refusal.Denied("no", "not you");
            }));
    routes.add(
        Route.get(
            "/broken",
            _ -> {
              throw new IllegalStateException("password=hunter2");
            }));
    routes.add(
        Route.get(
            "/thread",
            exchange ->
                exchange.text(
                    200, "text/plain", Boolean.toString(Thread.currentThread().isVirtual()))));
    routes.add(
        Route.get(
            "/query",
            exchange -> {
              var answer = Json.object();
              answer.put("limit", exchange.queryInt("limit", 10, 0, 1000));
              answer.put("flag", exchange.queryBoolean("flag", false));
              answer.put(
                  "color", exchange.queryEnum("color", Color.class).map(Enum::name).orElse("none"));
              exchange.json(200, answer);
            }));
    routes.add(
        Route.get(
            "/trace",
            exchange ->
                exchange.text(
                    200,
                    "text/plain",
                    exchange.trace().traceparent() + " " + exchange.requestId())));
    return routes;
  }

  private HttpRequest.Builder at(String pathAndQuery) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + pathAndQuery))
        .timeout(Duration.ofSeconds(10));
  }

  private HttpResponse<String> get(String pathAndQuery) throws Exception {
    return client.send(at(pathAndQuery).build(), BodyHandlers.ofString());
  }

  private HttpResponse<String> post(String path, String body) throws Exception {
    return client.send(
        at(path).POST(BodyPublishers.ofString(body)).build(), BodyHandlers.ofString());
  }

  private static JsonNode problem(HttpResponse<String> response, int status, String code) {
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    assertThat(response.headers().firstValue("content-type"))
        .hasValueSatisfying(type -> assertThat(type).startsWith("application/problem+json"));
    JsonNode body = Json.parse(response.body());
    assertThat(body.path("code").asString()).isEqualTo(code);
    assertThat(body.path("status").asInt()).isEqualTo(status);
    assertThat(body.path("type").asString()).isEqualTo("urn:turnkeeper:problem:" + code);
    assertThat(body.path("request_id").asString()).isNotEmpty();
    assertThat(body.path("title").asString()).isNotEmpty();
    return body;
  }

  @Test
  void handlers_run_on_virtual_threads() throws Exception {
    assertThat(get("/thread").body()).isEqualTo("true");
  }

  @Test
  void a_literal_segment_wins_over_a_name_whatever_the_order() throws Exception {
    assertThat(get("/things/count").body()).isEqualTo("counted");
    assertThat(get("/things/other").body()).isEqualTo("other");
  }

  @ParameterizedTest
  @CsvSource({
    "a%2Fb, a/b",
    "%25, %",
    "a+b, a+b",
    "caf%C3%A9, café",
    "a%20b, a b",
    "%2e%2e%2fx, ../x"
  })
  void an_id_may_hold_any_character(String encoded, String decoded) throws Exception {
    assertThat(get("/things/" + encoded).body()).isEqualTo(decoded);
  }

  @Test
  void an_id_of_ten_kilobytes_reaches_its_handler() throws Exception {
    String id = "x".repeat(10_240);
    assertThat(get("/things/" + id).body()).isEqualTo(id);
  }

  @Test
  void a_path_beyond_all_limits_is_a_414_problem() throws Exception {
    problem(get("/things/" + "x".repeat(40_000)), 414, "uri_too_long");
  }

  @Test
  void a_nul_in_a_path_never_reaches_a_handler() throws Exception {
    assertThat(get("/things/a%00b").statusCode()).isBetween(400, 422);
  }

  @Test
  void an_unknown_path_is_a_404_problem() throws Exception {
    problem(get("/nothing/here"), 404, "route_not_found");
    problem(get("/things/1/2"), 404, "route_not_found");
  }

  @Test
  void a_wrong_method_is_a_405_problem_that_says_what_is_allowed() throws Exception {
    var response = post("/things/1", "{}");
    problem(response, 405, "method_not_allowed");
    assertThat(response.headers().firstValue("allow")).hasValue("DELETE, GET, HEAD, OPTIONS");
  }

  @Test
  void head_answers_as_get_without_a_body() throws Exception {
    var response =
        client.send(
            at("/things/7").method("HEAD", BodyPublishers.noBody()).build(),
            BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.body()).isEmpty();
    var refused =
        client.send(
            at("/refuse").method("HEAD", BodyPublishers.noBody()).build(), BodyHandlers.ofString());
    assertThat(refused.statusCode()).isEqualTo(429);
  }

  @Test
  void options_says_what_is_allowed() throws Exception {
    var response =
        client.send(
            at("/echo").method("OPTIONS", BodyPublishers.noBody()).build(),
            BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(204);
    assertThat(response.headers().firstValue("allow")).hasValue("OPTIONS, POST");
  }

  @Test
  void only_allowed_origins_get_cross_origin_headers() throws Exception {
    var preflight =
        client.send(
            at("/echo")
                .method("OPTIONS", BodyPublishers.noBody())
                .header("Origin", "https://chat.example")
                .header("Access-Control-Request-Method", "POST")
                .build(),
            BodyHandlers.ofString());
    assertThat(preflight.headers().firstValue("access-control-allow-origin"))
        .hasValue("https://chat.example");
    assertThat(preflight.headers().firstValue("access-control-allow-methods"))
        .hasValue("OPTIONS, POST");
    var other =
        client.send(
            at("/query").header("Origin", "https://evil.example").build(), BodyHandlers.ofString());
    assertThat(other.headers().firstValue("access-control-allow-origin")).isEmpty();
    assertThat(other.headers().firstValue("vary")).hasValue("Origin");
  }

  @Test
  void a_refusal_carries_its_code_and_when_to_retry() throws Exception {
    var response = get("/refuse");
    JsonNode body = problem(response, 429, "too_many");
    assertThat(body.path("detail").asString()).isEqualTo("later");
    assertThat(body.path("instance").asString()).isEqualTo("/refuse");
    assertThat(response.headers().firstValue("retry-after")).hasValue("2");
    assertThat(response.headers().firstValue("x-request-id"))
        .hasValue(body.path("request_id").asString());
  }

  @Test
  void a_defect_says_nothing_but_the_request_id() throws Exception {
    var response = get("/broken");
    problem(response, 500, "internal_error");
    assertThat(response.body()).doesNotContain("hunter2", "IllegalState");
  }

  @Test
  void a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not() throws Exception {
    String large = "\"" + "x".repeat(BODY_MAX) + "\"";
    problem(post("/echo", large), 413, "body_too_large");
    var chunked =
        at("/echo")
            .POST(
                BodyPublishers.ofInputStream(() ->
                    new java.io.ByteArrayInputStream(
                        large.getBytes(java.nio.charset.StandardCharsets.UTF_8))))
            .build();
    problem(client.send(chunked, BodyHandlers.ofString()), 413, "body_too_large");
    String fits = "\"" + "x".repeat(BODY_MAX - 2) + "\"";
    assertThat(post("/echo", fits).statusCode()).isEqualTo(200);
  }

  @Test
  void a_body_that_is_not_json_is_refused() throws Exception {
    problem(post("/echo", "{nope"), 400, "body_not_json");
    problem(post("/echo", "{} {}"), 400, "body_not_json");
    problem(post("/echo", "{\"a\":1,\"a\":2}"), 400, "body_not_json");
    problem(post("/echo", ""), 400, "body_missing");
    problem(post("/echo", "   "), 400, "body_missing");
    problem(post("/echo", "[".repeat(300) + "]".repeat(300)), 400, "body_too_deep");
  }

  @Test
  void a_nul_or_half_a_character_is_refused_by_name() throws Exception {
    var nul = problem(post("/echo", "{\"a\":[{\"b\":\"x\\u0000\"}]}"), 422, "nul_in_string");
    assertThat(nul.path("field").asString()).isEqualTo("a[0].b");
    problem(post("/echo", "{\"a\\u0000\":1}"), 422, "nul_in_string");
    problem(post("/echo", "{\"a\":\"\\ud800\"}"), 422, "not_unicode");
    problem(post("/echo", "{\"a\":1e999}"), 422, "number_out_of_range");
    assertThat(post("/echo", "{\"a\":\"\\ud83d\\ude00\"}").body()).isEqualTo("{\"a\":\"😀\"}");
  }

  @Test
  void query_values_are_typed() throws Exception {
    assertThat(get("/query").body()).isEqualTo("{\"limit\":10,\"flag\":false,\"color\":\"none\"}");
    assertThat(get("/query?limit=0&flag=true&color=green").body())
        .isEqualTo("{\"limit\":0,\"flag\":true,\"color\":\"GREEN\"}");
    var negative = problem(get("/query?limit=-1"), 422, "out_of_range");
    assertThat(negative.path("field").asString()).isEqualTo("limit");
    problem(get("/query?limit=ten"), 422, "out_of_range");
    problem(get("/query?limit=99999999999999999999"), 422, "out_of_range");
    problem(get("/query?flag=perhaps"), 422, "not_a_boolean");
    var unknown = problem(get("/query?color=blue"), 422, "unknown_value");
    assertThat(unknown.path("detail").asString()).contains("red, green");
  }

  @Test
  void a_trace_goes_on_and_a_request_id_is_kept() throws Exception {
    String given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    var response =
        client.send(
            at("/trace").header("traceparent", given).header("X-Request-Id", "abc-1").build(),
            BodyHandlers.ofString());
    assertThat(response.body())
        .startsWith("00-0af7651916cd43dd8448eb211c80319c-")
        .doesNotContain("b7ad6b7169203331")
        .endsWith("-01 abc-1");
    var hostile =
        client.send(at("/trace").header("X-Request-Id", "a b;c").build(), BodyHandlers.ofString());
    assertThat(hostile.body()).doesNotContain("a b;c");
  }

  @Test
  void http_2_in_clear_text_is_served() throws Exception {
    try (HttpClient two = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build()) {
      var first =
          two.send(
              at("/echo").POST(BodyPublishers.ofString("{\"a\":1}")).build(),
              BodyHandlers.ofString());
      assertThat(first.body()).isEqualTo("{\"a\":1}");
      var second = two.send(at("/things/9").build(), BodyHandlers.ofString());
      assertThat(second.body()).isEqualTo("9");
      var third = two.send(at("/things/10").build(), BodyHandlers.ofString());
      assertThat(third.version()).isEqualTo(HttpClient.Version.HTTP_2);
    }
  }

  @Test
  void a_port_in_use_is_refused_in_words() {
    assertThatThrownBy(() -> HttpServer.start(config(server.port(), List.of()), routes(), metrics))
        .isInstanceOf(Refusal.Unavailable.class)
        .hasMessageContaining("127.0.0.1:" + server.port())
        .hasMessageContaining("--port");
  }

  @Test
  void a_stop_lets_a_request_under_way_finish() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    Route slow =
        Route.get(
            "/slow",
            exchange -> {
              inside.countDown();
              release.await(10, TimeUnit.SECONDS);
              exchange.text(200, "text/plain", "finished");
            });
    HttpServer stopping = HttpServer.start(config(0, List.of()), List.of(slow), metrics);
    var request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + stopping.port() + "/slow")).build();
    var answer = client.sendAsync(request, BodyHandlers.ofString());
    assertThat(inside.await(5, TimeUnit.SECONDS)).isTrue();
    CompletableFuture<Void> stopped = CompletableFuture.runAsync(stopping::close);
    assertThat(stopped).isNotDone();
    release.countDown();
    assertThat(answer.get(5, TimeUnit.SECONDS).body()).isEqualTo("finished");
    stopped.get(5, TimeUnit.SECONDS);
    assertThatThrownBy(() -> client.send(request, BodyHandlers.ofString()))
        .isInstanceOf(IOException.class);
  }

  /** A refusal that left the body unread would end the connection under the next request. */
  @ParameterizedTest
  @CsvSource({"/refuse,403", "/nowhere,404", "/things/1,405"})
  void a_connection_lives_on_after_a_refusal_whose_body_came_late(String path, int status)
      throws Exception {
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(10_000);
      var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
      for (int i = 0; i < 3; i++) {
        String head = "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n";
        socket.getOutputStream().write(head.getBytes(UTF_8));
        socket.getOutputStream().flush();
        LockSupport.parkNanos(20_000_000);
        socket.getOutputStream().write("late".getBytes(UTF_8));
        socket.getOutputStream().flush();
        assertThat(in.readLine()).startsWith("HTTP/1.1 " + status);
        int length = 0;
        for (String line = in.readLine(); !line.isEmpty(); line = in.readLine()) {
          if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
            length = Integer.parseInt(line.substring(15).strip());
          }
        }
        assertThat(in.read(new char[length], 0, length)).isEqualTo(length);
      }
    }
  }

  /** The short one never comes: its refusal must not be lost with it. */
  @ParameterizedTest
  @ValueSource(ints = {9_000_000, 4})
  void a_body_that_is_not_read_to_its_end_ends_the_connection_and_the_answer_says_so(int length)
      throws Exception {
    try (Socket socket = new Socket("127.0.0.1", server.port())) {
      socket.setSoTimeout(10_000);
      String head = "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + "\r\n\r\n";
      socket.getOutputStream().write(head.getBytes(UTF_8));
      socket.getOutputStream().flush();
      var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
      List<String> lines = new ArrayList<>();
      for (String line = in.readLine(); !line.isEmpty(); line = in.readLine()) {
        lines.add(line.toLowerCase(Locale.ROOT));
      }
      assertThat(lines.getFirst()).startsWith("http/1.1 403");
      assertThat(lines).contains("connection: close");
    }
  }
}
