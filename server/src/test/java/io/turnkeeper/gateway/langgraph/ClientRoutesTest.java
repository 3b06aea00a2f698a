package io.turnkeeper.gateway.langgraph;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.demo.DemoAgent;
import io.turnkeeper.server.Server;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The client API on a whole replica, with the agent that ships. */
@DbTest
@Timeout(120)
class ClientRoutesTest {
  private static final Duration DEADLINE = Duration.ofSeconds(60);

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Db db;
  private final Server server;
  private final String key;
  private final String foreignKey;

  ClientRoutesTest(Db db, DatabaseUrl url, @TempDir Path data) {
    this.db = db;
    Map<String, String> flags =
        Map.of("port", "0", "data", data.toString(), "database-url", withUser(url));
    var inputs =
        new ConfigLoader.Inputs(
            Map.of(), flags, Optional.empty(), data, ConfigLoader.Machine.here());
    server = Server.start(ConfigLoader.load(inputs).settings(), (at, admin) -> {});
    key = server.newAdminKey().orElseThrow();
    ObjectNode demo = Json.object().put("name", "demo").put("kind", "acp");
    demo.put("permissions", "ask");
    DemoAgent.command().forEach(demo.putArray("command")::add);
    call("POST", "/admin/agents", Json.write(demo), 201);
    String broken =
        "{'name':'broken','kind':'command','command':['/nonexistent/agent']}".replace('\'', '"');
    call("POST", "/admin/agents", broken, 201);
    foreignKey =
        call("POST", "/admin/organizations", "{\"name\":\"other\"}", 201)
            .path("admin_key")
            .asString();
  }

  private static String withUser(DatabaseUrl url) {
    String who =
        url.user().map(user -> user + url.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    String bare = url.toString().replaceFirst("//[^/@]*@", "//");
    return bare.replaceFirst("//", "//" + who);
  }

  @AfterAll
  void stop() {
    server.close();
    client.close();
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(server.url() + path))
        .timeout(DEADLINE)
        .header("x-api-key", key);
  }

  private HttpResponse<String> send(HttpRequest request) {
    try {
      return client.send(request, BodyHandlers.ofString());
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(failed);
    }
  }

  private JsonNode call(String method, String path, @Nullable String body, int status) {
    var content = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body);
    HttpResponse<String> response = send(request(path).method(method, content).build());
    assertThat(response.statusCode())
        .as(method + " " + path + ": " + response.body())
        .isEqualTo(status);
    return response.body().isBlank() ? Json.object() : Json.parse(response.body());
  }

  private static String run(String text, String more) {
    ObjectNode body = Json.object().put("assistant_id", "demo").put("input", text);
    body.setAll((ObjectNode) Json.parse("{" + more.replace('\'', '"') + "}"));
    return Json.write(body);
  }

  private String thread() {
    return call("POST", "/threads", "{}", 200).path("thread_id").asString();
  }

  private record Part(String id, String event, JsonNode data) {}

  /** Reads a stream to its end, or until a part is the one. */
  private List<Part> parts(HttpRequest request, Predicate<Part> last) {
    try {
      HttpResponse<InputStream> response = client.send(request, BodyHandlers.ofInputStream());
      assertThat(response.statusCode()).isEqualTo(200);
      assertThat(response.headers().firstValue("content-type").orElseThrow())
          .startsWith("text/event-stream");
      List<Part> parts = new ArrayList<>();
      try (BufferedReader lines =
          new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
        String id = "";
        String event = "";
        String data = "";
        String line = lines.readLine();
        while (line != null) {
          if (line.startsWith("id: ")) {
            id = line.substring(4);
          } else if (line.startsWith("event: ")) {
            event = line.substring(7);
          } else if (line.startsWith("data: ")) {
            data = line.substring(6);
          } else if (line.isEmpty()) {
            Part part = new Part(id, event, Json.parse(data));
            parts.add(part);
            if (last.test(part)) {
              return parts;
            }
          }
          line = lines.readLine();
        }
      }
      return parts;
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(failed);
    }
  }

  private List<Part> post(String path, String body) {
    return parts(request(path).POST(BodyPublishers.ofString(body)).build(), part -> false);
  }

  private List<Part> join(String path, String after) {
    return parts(request(path).header("Last-Event-ID", after).build(), part -> false);
  }

  private static String contents(JsonNode values) {
    List<String> all = new ArrayList<>();
    values
        .path("messages")
        .forEach(m -> all.add(m.path("type").asString() + ":" + m.path("content").asString()));
    return String.join("|", all);
  }

  /** Returns once the run has begun. */
  private void begun(String run) {
    parts(request(run + "/stream").build(), part -> part.event().equals("metadata"));
  }

  @Test
  void a_message_streams_under_headers_and_ids_to_come_back_by() {
    String thread = "any id/ü";
    call("POST", "/threads", "{\"thread_id\":\"any id/ü\"}", 200);
    call("POST", "/threads", "{\"thread_id\":\"any id/ü\"}", 409);
    call("POST", "/threads", "{\"thread_id\":\"any id/ü\",\"if_exists\":\"do_nothing\"}", 200);
    String path =
        "/threads/" + URLEncoder.encode(thread, StandardCharsets.UTF_8).replace("+", "%20");
    HttpRequest request =
        request(path + "/runs")
            .POST(BodyPublishers.ofString(run("count to 3", "'stream_mode':['values','custom']")))
            .build();
    HttpResponse<String> made = send(request);
    String location = made.headers().firstValue("content-location").orElseThrow();
    String id = Json.parse(made.body()).path("run_id").asString();
    assertThat(location).isEqualTo(path + "/runs/" + id);
    assertThat(made.headers().firstValue("location")).contains(location + "/stream");

    List<Part> all = join(location + "/stream", "-1");
    assertThat(all.getFirst().event()).isEqualTo("metadata");
    assertThat(all.getFirst().data().path("run_id").asString()).isEqualTo(id);
    assertThat(contents(all.getLast().data())).startsWith("human:count to 3|ai:1");
    assertThat(all.stream().map(Part::id))
        .doesNotHaveDuplicates()
        .allMatch(s -> s.startsWith("1."));
    for (int i = 0; i < all.size(); i++) {
      assertThat(join(location + "/stream", all.get(i).id()))
          .isEqualTo(all.subList(i + 1, all.size()));
    }
    call("GET", location + "/stream?stream_mode=nonsense", null, 422);
    JsonNode ended = call("GET", location, null, 200);
    assertThat(ended.path("status").asString()).isEqualTo("success");
    assertThat(call("GET", location + "/join", null, 200)).isEqualTo(all.getLast().data());
  }

  @Test
  void the_stream_of_a_queued_run_shows_what_was_said_before_it_began() {
    String path = "/threads/" + thread() + "/runs";
    call("POST", path, run("count to 8 slowly", ""), 200);
    List<Part> second = post(path + "/stream", run("hello", "'stream_mode':'values'"));
    assertThat(second.get(0).event()).isEqualTo("metadata");
    assertThat(contents(second.get(1).data()))
        .startsWith("human:count to 8 slowly|ai:1")
        .endsWith("|human:hello");
  }

  @Test
  void a_question_to_a_person_interrupts_and_its_answer_goes_on_with_the_same_run() {
    String thread = "/threads/" + thread();
    call("POST", thread + "/runs/wait", run("my name is Ada", ""), 200);
    String modes = "'stream_mode':['values','updates','messages-tuple']";
    List<Part> asked = post(thread + "/runs/stream", run("please delete my name", modes));
    JsonNode interrupt = asked.getLast().data().path("__interrupt__").path(0);
    assertThat(interrupt.path("value").path("options")).hasSize(2);
    String run = asked.getFirst().data().path("run_id").asString();

    JsonNode waiting = call("GET", thread, null, 200);
    assertThat(waiting.path("status").asString()).isEqualTo("interrupted");
    assertThat(waiting.path("interrupts").path("agent").path(0)).isEqualTo(interrupt);
    JsonNode state = call("GET", thread + "/state", null, 200);
    assertThat(state.path("next").path(0).asString()).isEqualTo("agent");
    assertThat(state.path("tasks").path(0).path("interrupts").path(0)).isEqualTo(interrupt);
    JsonNode said = state.path("values").path("messages");
    JsonNode calls = said.path(said.size() - 1).path("tool_calls");
    assertThat(calls.path(0).path("name").asString()).isEqualTo("Delete my name");
    JsonNode history = call("POST", thread + "/history", "{}", 200);
    assertThat(history).hasSize(2);
    assertThat(history.path(0)).isEqualTo(state);
    JsonNode waited = call("GET", thread + "/runs/" + run + "/join", null, 200);
    assertThat(waited.path("__interrupt__").path(0)).isEqualTo(interrupt);
    call("POST", thread + "/runs", run("x", "'command':{'resume':'perhaps'}"), 422);

    List<Part> rest = post(thread + "/runs/stream", run("x", modes + ",'command':{'resume':true}"));
    assertThat(rest).isNotEmpty();
    assertThat(rest.getLast().event()).isEqualTo("values");
    assertThat(contents(rest.getLast().data())).contains("Deleted 1 note.");
    List<Part> both = new ArrayList<>(asked);
    both.addAll(rest);
    String stream = thread + "/runs/" + run + "/stream?stream_mode=values,updates,messages-tuple";
    assertThat(join(stream, "-1")).isEqualTo(both);
    assertThat(call("GET", thread, null, 200).path("status").asString()).isEqualTo("idle");
    call("POST", thread + "/runs", run("x", "'command':{'resume':true}"), 409);
  }

  @Test
  void whoever_knows_the_question_hears_how_it_goes_on() throws Exception {
    String thread = "/threads/" + thread();
    call("POST", thread + "/runs/wait", run("my name is Ada", ""), 200);
    List<Part> asked = post(thread + "/runs/stream", run("please delete my name", ""));
    JsonNode interrupt = asked.getLast().data().path("__interrupt__").path(0);
    String run = thread + "/runs/" + asked.getFirst().data().path("run_id").asString();
    var rest =
        java.util.concurrent.CompletableFuture.supplyAsync(
            () -> join(run + "/stream", asked.getLast().id()));
    String permission = run + "/permissions/" + interrupt.path("id").asString();
    var answer =
        request(permission).POST(BodyPublishers.ofString("{\"option_id\":\"reject\"}")).build();
    assertThat(send(answer).statusCode()).isBetween(200, 204);
    assertThat(contents(rest.get(60, java.util.concurrent.TimeUnit.SECONDS).getLast().data()))
        .contains("I left it alone");
  }

  @Test
  void a_run_that_fails_is_said_in_the_document_and_in_the_stream() {
    String path = "/threads/" + thread() + "/runs";
    JsonNode waited = call("POST", path + "/wait", run("hi", "'assistant_id':'broken'"), 200);
    assertThat(waited.path("__error__").path("error").asString()).isNotEmpty();
    assertThat(waited.path("__error__").path("message").asString()).contains("/nonexistent/agent");
    List<Part> parts = post(path + "/stream", run("hi", "'assistant_id':'broken'"));
    assertThat(parts.getLast().event()).isEqualTo("error");
  }

  @Test
  void a_client_may_name_the_newest_state_and_no_older_one() {
    String thread = "/threads/" + thread();
    call("POST", thread + "/runs/wait", run("one", ""), 200);
    JsonNode first = call("GET", thread + "/state", null, 200).path("checkpoint");
    String named = "'checkpoint':" + Json.write(first).replace('"', '\'');
    call("POST", thread + "/runs/wait", run("two", named), 200);
    JsonNode refused = call("POST", thread + "/runs/wait", run("three", named), 501);
    assertThat(refused.path("code").asString()).isEqualTo("checkpoint_not_supported");
    assertThat(call("GET", thread + "/runs", null, 200)).hasSize(2);
  }

  @Test
  void states_of_the_past_are_what_the_conversation_was() {
    String thread = "/threads/" + thread();
    JsonNode empty = call("GET", thread + "/state", null, 200);
    assertThat(empty.path("values")).isEmpty();
    assertThat(empty.path("next")).isEmpty();
    for (String text : List.of("one", "two", "three")) {
      call("POST", thread + "/runs/wait", run(text, ""), 200);
    }
    JsonNode history = call("GET", thread + "/history", null, 200);
    assertThat(history).hasSize(3);
    assertThat(history.path(0)).isEqualTo(call("GET", thread + "/state", null, 200));
    String second = history.path(1).path("checkpoint").path("checkpoint_id").asString();
    JsonNode then = call("GET", thread + "/state/" + second, null, 200);
    assertThat(then).isEqualTo(history.path(1));
    assertThat(then.path("values").path("messages")).hasSize(4);
    String before = "{\"limit\":1,\"before\":{\"configurable\":{\"checkpoint_id\":\"%s\"}}}";
    JsonNode earlier = call("POST", thread + "/history", before.formatted(second), 200);
    assertThat(earlier).hasSize(1);
    assertThat(earlier.path(0)).isEqualTo(history.path(2));
    assertThat(earlier.path(0).path("parent_checkpoint").isNull()).isTrue();
    call("GET", thread + "/state/" + UUID.randomUUID(), null, 404);
  }

  @Test
  void a_thread_s_stream_goes_on_over_its_runs() {
    String thread = "/threads/" + thread();
    var following =
        java.util.concurrent.CompletableFuture.supplyAsync(() ->
            parts(
                request(thread + "/stream").header("Last-Event-ID", "-1").build(),
                part ->
                    part.id().startsWith("2.")
                        && contents(part.data()).contains("“two”")
                        && contents(part.data()).split("ai:", -1).length == 3));
    call("POST", thread + "/runs/wait", run("one", ""), 200);
    call("POST", thread + "/runs/wait", run("two", ""), 200);
    List<Part> parts = following.join();
    assertThat(parts.stream().map(Part::id)).doesNotHaveDuplicates();
    assertThat(parts.stream().filter(part -> part.event().equals("metadata"))).hasSize(2);
    call("GET", thread + "/stream?stream_mode=nonsense", null, 422);
  }

  @Test
  void a_busy_thread_queues_refuses_or_is_interrupted_as_asked() {
    String runs = "/threads/" + thread() + "/runs";
    String first =
        call("POST", runs, run("count to 500 slowly", ""), 200).path("run_id").asString();
    JsonNode queued = call("POST", runs, run("two", ""), 200);
    assertThat(queued.path("status").asString()).isEqualTo("pending");
    JsonNode refused = call("POST", runs, run("x", "'multitask_strategy':'reject'"), 422);
    assertThat(refused.path("field").asString()).isEqualTo("multitask_strategy");
    JsonNode values =
        call("POST", runs + "/wait", run("now", "'multitask_strategy':'interrupt'"), 200);
    assertThat(contents(values)).contains("human:now").doesNotContain("human:two");
    for (String id : List.of(first, queued.path("run_id").asString())) {
      assertThat(call("GET", runs + "/" + id, null, 200).path("status").asString())
          .isEqualTo("interrupted");
    }
    assertThat(call("GET", runs + "?status=success", null, 200)).hasSize(1);
    call("GET", runs + "?status=nonsense", null, 422);
    call("GET", runs + "?limit=-1", null, 422);
  }

  @Test
  void an_interrupting_message_that_is_sent_again_does_not_interrupt_itself() {
    String runs = "/threads/" + thread() + "/runs";
    HttpRequest interrupting =
        request(runs)
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .POST(
                BodyPublishers.ofString(
                    run("count to 20 slowly", "'multitask_strategy':'interrupt'")))
            .build();
    String id = Json.parse(send(interrupting).body()).path("run_id").asString();
    begun(runs + "/" + id);
    assertThat(send(interrupting).statusCode()).isEqualTo(200);
    call("GET", runs + "/" + id + "/join", null, 200);
    assertThat(call("GET", runs + "/" + id, null, 200).path("status").asString())
        .isEqualTo("success");
  }

  @Test
  void an_interrupting_message_that_is_refused_interrupts_nothing() {
    String runs = "/threads/" + thread() + "/runs";
    String id = call("POST", runs, run("count to 20 slowly", ""), 200).path("run_id").asString();
    String other = "'assistant_id':'broken','multitask_strategy':'interrupt'";
    call("POST", runs, run("now", other), 409);
    call("GET", runs + "/" + id + "/join", null, 200);
    assertThat(call("GET", runs + "/" + id, null, 200).path("status").asString())
        .isEqualTo("success");
  }

  @Test
  void a_reader_has_no_run_cancelled_by_leaving() {
    String reader =
        call("POST", "/admin/keys", "{\"name\":\"r\",\"role\":\"reader\"}", 201)
            .path("key")
            .asString();
    String runs = "/threads/" + thread() + "/runs";
    String run = runs + "/" + call("POST", runs, run("hi", ""), 200).path("run_id").asString();
    for (String path : List.of("/join", "/stream")) {
      HttpRequest asked =
          request(run + path + "?cancel_on_disconnect=1").setHeader("x-api-key", reader).build();
      assertThat(send(asked).statusCode()).isEqualTo(403);
      assertThat(send(request(run + path).setHeader("x-api-key", reader).build()).statusCode())
          .isEqualTo(200);
    }
  }

  @Test
  void a_request_that_is_no_new_run_leaves_no_thread() {
    String key = UUID.randomUUID().toString();
    HttpRequest stateless =
        request("/runs")
            .header("Idempotency-Key", key)
            .POST(BodyPublishers.ofString(run("hi", "")))
            .build();
    String id = Json.parse(send(stateless).body()).path("run_id").asString();
    long before = rows("conversations");
    assertThat(Json.parse(send(stateless).body()).path("run_id").asString()).isEqualTo(id);
    HttpRequest reused =
        request("/threads/" + UUID.randomUUID() + "/runs")
            .header("Idempotency-Key", key)
            .POST(BodyPublishers.ofString(run("hi", "'if_not_exists':'create'")))
            .build();
    assertThat(send(reused).statusCode()).isEqualTo(422);
    assertThat(rows("conversations")).isEqualTo(before);
  }

  @Test
  void a_stream_whose_log_is_past_its_retention_ends_with_what_the_run_came_to() {
    String thread = "/threads/" + thread();
    call("POST", thread + "/runs/wait", run("My name is Ada", ""), 200);
    String run = call("GET", thread + "/runs", null, 200).path(0).path("run_id").asString();
    db.useTx(tx ->
        tx.update("DELETE FROM run_events WHERE run_id = :run")
            .bind("run", UUID.fromString(run))
            .execute());

    List<Part> parts = join(thread + "/runs/" + run + "/stream", "-1");

    assertThat(parts).singleElement().extracting(Part::event).isEqualTo("values");
    assertThat(contents(parts.getFirst().data())).contains("human:My name is Ada|ai:");
    assertThat(join(thread + "/runs/" + run + "/stream", parts.getFirst().id())).isEmpty();
  }

  @Test
  void a_message_that_has_waited_longer_than_it_may_times_out_unstarted() {
    String runs = "/threads/" + thread() + "/runs";
    String first =
        call("POST", runs, run("count to 500 slowly", ""), 200).path("run_id").asString();
    String second =
        call("POST", runs, run("hi", "'expires_after_seconds':0.2"), 200).path("run_id").asString();
    List<Part> parts = join(runs + "/" + second + "/stream", "-1");
    assertThat(parts.getLast().event()).isEqualTo("error");
    assertThat(call("GET", runs + "/" + second, null, 200).path("status").asString())
        .isEqualTo("timeout");
    call("POST", runs, run("hi", "'expires_after_seconds':-1"), 422);
    call("POST", runs + "/" + first + "/cancel", null, 202);
  }

  @Test
  void the_same_key_is_the_same_run_and_another_body_under_it_is_refused() {
    String runs = "/threads/" + thread() + "/runs";
    String key = UUID.randomUUID().toString();
    HttpRequest once =
        request(runs)
            .header("Idempotency-Key", key)
            .POST(BodyPublishers.ofString(run("hi", "")))
            .build();
    HttpResponse<String> first = send(once);
    HttpResponse<String> again = send(once);
    String id = Json.parse(first.body()).path("run_id").asString();
    assertThat(Json.parse(again.body()).path("run_id").asString()).isEqualTo(id);
    assertThat(again.headers().firstValue("idempotent-replayed")).contains("true");
    HttpRequest other =
        request(runs)
            .header("Idempotency-Key", key)
            .POST(BodyPublishers.ofString(run("ho", "")))
            .build();
    HttpResponse<String> refused = send(other);
    assertThat(refused.statusCode()).isEqualTo(422);
    assertThat(refused.body()).contains("idempotency_key_reused");
    assertThat(call("GET", runs, null, 200)).hasSize(1);
  }

  @Test
  void a_batch_is_one_run_for_each_of_its_bodies_also_under_a_key() {
    String body = "[" + run("one", "") + "," + run("two", "") + "]";
    HttpRequest batch =
        request("/runs/batch")
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .POST(BodyPublishers.ofString(body))
            .build();
    JsonNode first = Json.parse(send(batch).body());
    assertThat(first).hasSize(2);
    assertThat(first.path(0).path("run_id")).isNotEqualTo(first.path(1).path("run_id"));
    JsonNode again = Json.parse(send(batch).body());
    assertThat(again.path(1).path("run_id")).isEqualTo(first.path(1).path("run_id"));
    long before = rows("runs");
    call(
        "POST",
        "/runs/batch",
        "[" + run("a", "") + "," + run("b", "'assistant_id':'none'") + "]",
        404);
    assertThat(rows("runs")).isEqualTo(before);
  }

  @Test
  void a_run_without_a_thread_answers_and_shows_no_thread() {
    List<Part> parts = post("/runs/stream", run("count to 2", ""));
    assertThat(contents(parts.getLast().data())).startsWith("human:count to 2|ai:1");
    String thread = parts.getFirst().data().path("thread_id").asString();
    assertThat(call("POST", "/threads/search", "{\"ids\":[\"" + thread + "\"]}", 200)).isEmpty();
    call("POST", "/runs", run("x", "'command':{'resume':true}"), 422);
  }

  private long rows(String table) {
    return db.inTx(tx -> tx.query("SELECT count(*) FROM " + table).mapTo(Long.class).one());
  }

  @Test
  void what_is_refused_leaves_no_trace() {
    String runs = "/threads/" + thread() + "/runs";
    long before = rows("runs") + rows("conversations");
    JsonNode noAgent = call("POST", runs, run("x", "'assistant_id':'none'"), 404);
    assertThat(noAgent.path("code").asString()).isIn("assistant_not_found", "agent_not_found");
    String unknown = "/threads/" + UUID.randomUUID() + "/runs";
    assertThat(call("POST", unknown, run("x", ""), 404).path("code").asString())
        .isEqualTo("thread_not_found");
    call("POST", unknown, run("x", "'if_not_exists':'create','assistant_id':'none'"), 404);
    call("POST", runs, run("x", "'multitask_strategy':'sometimes'"), 422);
    call("POST", runs, run("x", "'webhook':'http://127.0.0.1/'"), 422);
    call("POST", runs, "{", 400);
    call("POST", runs, run("a\u0000b", ""), 422);
    call("POST", "/threads", "{\"thread_id\":\"" + "x".repeat(256) + "\"}", 422);
    call("POST", "/threads", "{\"metadata\":7}", 422);
    call("POST", "/threads/search", "{\"limit\":-1}", 422);
    call("POST", "/threads/search", "{\"status\":\"asleep\"}", 422);
    call("GET", "/threads/" + "x".repeat(10_000), null, 404);
    assertThat(rows("runs") + rows("conversations")).isEqualTo(before);
    call("POST", unknown + "/wait", run("x", "'if_not_exists':'create'"), 200);
  }

  @Test
  void another_organization_s_threads_and_runs_are_not_there() {
    String ours = thread();
    String run =
        call("POST", "/threads/" + ours + "/runs", run("count to 2", ""), 200)
            .path("run_id")
            .asString();
    List<String> paths =
        List.of(
            "",
            "/state",
            "/history",
            "/stream",
            "/runs",
            "/runs/RUN",
            "/runs/RUN/stream",
            "/runs/RUN/join");
    for (String path : paths) {
      String theirs = path.replace("RUN", run);
      HttpRequest foreign =
          HttpRequest.newBuilder(URI.create(server.url() + "/threads/" + ours + theirs))
              .timeout(DEADLINE)
              .header("x-api-key", foreignKey)
              .build();
      HttpResponse<String> response = send(foreign);
      assertThat(response.statusCode()).as(path).isEqualTo(404);
      assertThat(Json.parse(response.body()).path("code").asString())
          .isEqualTo(path.contains("RUN") ? "run_not_found" : "thread_not_found");
    }
    String other = thread();
    call("GET", "/threads/" + other + "/runs/" + run, null, 404);
  }

  @ParameterizedTest
  @CsvSource({
    "POST,/runs/crons,crons_not_supported",
    "POST,/threads/t/runs/crons,crons_not_supported",
    "POST,/runs/crons/search,crons_not_supported",
    "DELETE,/runs/crons/c,crons_not_supported",
    "PUT,/store/items,store_not_supported",
    "POST,/store/namespaces,store_not_supported",
    "POST,/assistants,assistants_are_agents",
  })
  void what_is_not_served_yet_says_so(String method, String path, String code) {
    assertThat(call(method, path, "{}", 501).path("code").asString()).isEqualTo(code);
  }

  @Test
  void threads_are_found_counted_changed_and_deleted() {
    String tag = UUID.randomUUID().toString();
    String metadata = "{\"metadata\":{\"tag\":\"" + tag + "\"}}";
    String first = call("POST", "/threads", metadata, 200).path("thread_id").asString();
    String second = call("POST", "/threads", metadata, 200).path("thread_id").asString();
    String search =
        "{\"metadata\":{\"tag\":\"" + tag + "\"},\"limit\":1,\"select\":[\"thread_id\"]}";
    HttpResponse<String> page =
        send(request("/threads/search").POST(BodyPublishers.ofString(search)).build());
    assertThat(page.body()).isEqualTo("[{\"thread_id\":\"" + second + "\"}]");
    assertThat(page.headers().firstValue("x-pagination-next")).contains("1");
    assertThat(call("POST", "/threads/count", metadata, 200).asInt()).isEqualTo(2);

    JsonNode patched = call("PATCH", "/threads/" + first, "{\"metadata\":{\"b\":2}}", 200);
    assertThat(patched.path("metadata").path("tag").asString()).isEqualTo(tag);
    assertThat(patched.path("metadata").path("b").asInt()).isEqualTo(2);
    HttpRequest quiet =
        request("/threads/" + first)
            .header("Prefer", "return=minimal")
            .method("PATCH", BodyPublishers.ofString("{\"metadata\":{}}"))
            .build();
    assertThat(send(quiet).statusCode()).isEqualTo(204);
    call("DELETE", "/threads/" + first, null, 204);
    call("GET", "/threads/" + first, null, 404);
    call("POST", "/threads/" + second + "/copy", null, 501);
  }

  @Test
  void assistants_are_the_agents_by_id_and_by_name() {
    HttpResponse<String> page =
        send(request("/assistants/search").POST(BodyPublishers.ofString("{\"limit\":1}")).build());
    assertThat(page.headers().firstValue("x-pagination-total")).contains("2");
    assertThat(page.headers().firstValue("x-pagination-next")).contains("1");
    JsonNode demo = call("GET", "/assistants/demo", null, 200);
    String id = demo.path("assistant_id").asString();
    assertThat(call("GET", "/assistants/" + id, null, 200)).isEqualTo(demo);
    assertThat(call("GET", "/agents/" + id, null, 200).path("name").asString()).isEqualTo("demo");
    for (String part : List.of("schemas", "graph", "subgraphs")) {
      call("GET", "/assistants/demo/" + part, null, 200);
    }
    assertThat(call("POST", "/assistants/demo/versions", "{}", 200)).hasSize(1);
    assertThat(call("POST", "/assistants/count", "{\"graph_id\":\"demo\"}", 200).asInt())
        .isEqualTo(1);
    call("GET", "/assistants/none", null, 404);
  }

  @Test
  void a_run_is_deleted_once_it_has_ended_and_cancelled_before() {
    String runs = "/threads/" + thread() + "/runs";
    String id = call("POST", runs, run("count to 500 slowly", ""), 200).path("run_id").asString();
    String run = runs + "/" + id;
    begun(run);
    call("DELETE", run, null, 409);
    call("POST", run + "/cancel?wait=1", null, 204);
    assertThat(call("GET", run, null, 200).path("status").asString()).isEqualTo("interrupted");
    call("POST", run + "/cancel?action=rollback", null, 501);
    call("DELETE", run, null, 204);
    call("GET", run, null, 404);
  }

  @Test
  void everything_that_is_served_is_described_and_nothing_else() throws IOException {
    JsonNode document = call("GET", "/openapi.json", null, 200);
    JsonNode schemas = document.path("components").path("schemas");
    List<String> served = new ArrayList<>();
    document
        .path("paths")
        .properties()
        .forEach(path ->
            path.getValue()
                .properties()
                .forEach(operation -> {
                  String name =
                      operation.getKey().toUpperCase(java.util.Locale.ROOT) + " " + path.getKey();
                  served.add(name);
                  assertThat(operation.getValue().path("summary").asString()).as(name).isNotBlank();
                }));
    document
        .findValues("$ref")
        .forEach(ref ->
            assertThat(schemas.has(ref.asString().replace("#/components/schemas/", "")))
                .as(ref.asString())
                .isTrue());
    try (InputStream in = getClass().getResourceAsStream("/openapi/operations.json")) {
      JsonNode described =
          Json.parse(
              new String(
                  java.util.Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8));
      assertThat(described.path("operations").propertyNames())
          .containsExactlyInAnyOrderElementsOf(served);
    }
    // What the SDK sends most is described to the field.
    assertThat(schemas.path("RunCreate").path("properties").propertyNames())
        .contains("assistant_id", "input", "multitask_strategy", "expires_after_seconds");
  }
}
