package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/**
 * What bad input gets: the right status, a problem with a stable code that names the field, and no
 * trace.
 */
@Tag("e2e")
@Promise(9)
class BadInputTest {
  private static final String RUNS = "/threads/{thread}/runs";
  private static final String NEW_THREAD = "/threads/not-yet-there/runs";
  private static final String INPUT =
      "\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

  /**
   * @param field what the problem names; empty when there is none to name
   */
  private record Bad(String what, String path, String body, int status, String field) {
    @Override
    public String toString() {
      return what;
    }
  }

  @TempDir static Path scratch;
  private static Turnkeeper replica;
  private static String thread;

  @BeforeAll
  static void start() {
    replica = Turnkeeper.start(scratch.resolve("data"));
    replica.addAgent(Map.of("name", "cat", "kind", "command", "command", List.of("/bin/cat")));
    thread = replica.newThread();
  }

  @AfterAll
  static void stop() {
    replica.close();
  }

  private static Bad run(String what, String more, int status, String field) {
    String body = "{\"assistant_id\":\"cat\",%s%s}".formatted(INPUT, more);
    return new Bad(what, RUNS, body, status, field);
  }

  private static Bad webhook(String to) {
    return run("a webhook to " + to, ",\"webhook\":\"" + to + "\"", 422, "webhook");
  }

  /** With a thread that the same request would make. */
  private static Stream<Bad> alsoForANewThread(Bad bad) {
    boolean run = bad.path().equals(RUNS) && bad.body().startsWith("{\"assistant_id\":\"");
    return run && bad.body().endsWith("}")
        ? Stream.of(
            bad,
            new Bad(
                bad.what() + ", for a new thread",
                NEW_THREAD,
                "{\"if_not_exists\":\"create\"," + bad.body().substring(1),
                bad.status(),
                bad.field()))
        : Stream.of(bad);
  }

  static Stream<Bad> everywhere() {
    return bad().flatMap(BadInputTest::alsoForANewThread);
  }

  private static Stream<Bad> bad() {
    return Stream.of(
        new Bad("no JSON", RUNS, "hello", 400, ""),
        new Bad("half a JSON", RUNS, "{\"assistant_id\":", 400, ""),
        new Bad("no object", RUNS, "[1,2]", 422, ""),
        new Bad("too deep", RUNS, "[".repeat(5_000) + "]".repeat(5_000), 400, ""),
        new Bad("too large", RUNS, "\"" + "x".repeat(40_000_000) + "\"", 413, ""),
        run("a NUL in a string", ",\"metadata\":{\"a\":\"b\\u0000c\"}", 422, "metadata"),
        new Bad("no input", RUNS, "{\"assistant_id\":\"cat\"}", 422, "input"),
        run("an unknown strategy", ",\"multitask_strategy\":\"maybe\"", 422, "multitask_strategy"),
        run("an unknown stream mode", ",\"stream_mode\":[\"nonsense\"]", 422, "stream_mode"),
        run("rollback", ",\"multitask_strategy\":\"rollback\"", 501, "multitask_strategy"),
        webhook("http://10.0.0.1/x"),
        webhook("http://localhost/x"),
        webhook("http://[::1]/x"),
        webhook("http://169.254.169.254/latest"),
        webhook("http://[::ffff:10.0.0.1]/x"),
        webhook("http://[::ffff:7f00:1]/x"),
        run("metadata that is no object", ",\"metadata\":7", 422, "metadata"),
        new Bad("no agent", RUNS, "{" + INPUT + "}", 422, "assistant_id"),
        new Bad(
            "an agent that is not there",
            RUNS,
            "{\"assistant_id\":\"none\"," + INPUT + "}",
            404,
            ""),
        new Bad(
            "a thread that is not there",
            "/threads/00000000-0000-4000-8000-000000000000/runs",
            "{\"assistant_id\":\"cat\"," + INPUT + "}",
            404,
            ""),
        new Bad(
            "an id of 10 KB",
            "/threads",
            "{\"thread_id\":\"" + "x".repeat(10_240) + "\"}",
            422,
            "thread_id"),
        new Bad("an empty id", "/threads", "{\"thread_id\":\"\"}", 422, "thread_id"),
        new Bad("a negative limit", "/threads/search", "{\"limit\":-1}", 422, "limit"),
        new Bad("a limit that is a word", "/threads/search", "{\"limit\":\"all\"}", 422, "limit"),
        new Bad(
            "a cron",
            "/runs/crons",
            "{\"assistant_id\":\"cat\",\"schedule\":\"* * * * *\"}",
            501,
            ""));
  }

  @ParameterizedTest
  @MethodSource("everywhere")
  void is_refused_in_words_and_leaves_nothing(Bad bad) {
    int runs = count("/admin/runs?limit=100", "runs");
    String threads = replica.post("/threads/count", Map.of()).expect(200).text();

    Turnkeeper.Answer answer = replica.postRaw(bad.path().replace("{thread}", thread), bad.body());

    answer.expect(bad.status());
    assertThat(answer.body().path("code").asString(""))
        .as("code in %s", answer.text())
        .isNotEmpty();
    assertThat(answer.body().path("status").asInt()).isEqualTo(bad.status());
    String field = answer.body().path("field").asString("");
    if (bad.field().isEmpty()) {
      assertThat(field).isEmpty();
    } else {
      assertThat(field).matches(bad.field() + "([.\\[].*)?");
    }
    assertThat(count("/admin/runs?limit=100", "runs")).as("runs").isEqualTo(runs);
    assertThat(replica.post("/threads/count", Map.of()).expect(200).text()).isEqualTo(threads);
  }

  private static int count(String path, String list) {
    JsonNode answer = replica.get(path).expect(200).body();
    return answer.get(list).size();
  }

  @Test
  void an_id_of_ten_kilobytes_in_a_path_is_refused_in_words_and_leaves_nothing() {
    String threads = replica.post("/threads/count", Map.of()).expect(200).text();
    String runs = "/threads/" + "x".repeat(10_240) + "/runs";
    String body = "{\"if_not_exists\":\"create\",\"assistant_id\":\"cat\"," + INPUT + "}";

    Turnkeeper.Answer read = replica.get(runs).expect(404);
    Turnkeeper.Answer written = replica.postRaw(runs, body).expect(404);

    for (Turnkeeper.Answer answer : List.of(read, written)) {
      assertThat(answer.body().path("code").asString()).isEqualTo("thread_not_found");
      assertThat(answer.text().length()).as("the id is not thrown back whole").isLessThan(2_000);
    }
    assertThat(replica.post("/threads/count", Map.of()).expect(200).text()).isEqualTo(threads);
  }

  @Test
  void no_key_and_a_wrong_key_are_401() {
    for (String key : List.of("", "tk_wrong", replica.key() + "x")) {
      var request = replica.request("/threads").POST(BodyPublishers.ofString("{}"));
      replica.send(request.setHeader("x-api-key", key).build()).expect(401);
    }
  }

  @Test
  @Promise(8)
  void a_thread_of_another_organization_is_as_good_as_none() {
    String key =
        replica
            .post("/admin/organizations", Map.of("name", "acme"))
            .expect(201)
            .body()
            .get("admin_key")
            .asString();
    var foreign = replica.request("/threads/" + thread).setHeader("x-api-key", key).GET();

    Turnkeeper.Answer answer = replica.send(foreign.build()).expect(404);

    Turnkeeper.Answer none =
        replica.send(
            replica
                .request("/threads/00000000-0000-4000-8000-000000000000")
                .setHeader("x-api-key", key)
                .GET()
                .build());
    assertThat(answer.body().get("code")).isEqualTo(none.body().get("code"));
  }
}
