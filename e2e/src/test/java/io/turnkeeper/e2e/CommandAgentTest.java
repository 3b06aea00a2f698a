package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Any program is an agent: the message as a line of JSON on its input, the answer on its output.
 */
@Tag("e2e")
class CommandAgentTest {
  @TempDir static Path scratch;
  private static Turnkeeper replica;

  @BeforeAll
  static void start() {
    replica = Turnkeeper.start(scratch.resolve("data"));
  }

  @AfterAll
  static void stop() {
    replica.close();
  }

  private static void shell(String name, String script) {
    replica.addAgent(
        Map.of("name", name, "kind", "command", "command", List.of("/bin/sh", "-c", script)));
  }

  @Test
  void a_shell_script_answers_what_it_reads() {
    shell("upper", "sed 's/.*\"text\":\"\\([^\"]*\\)\".*/\\1/' | tr a-z A-Z");

    assertThat(replica.ask(replica.newThread(), "upper", "hello there").strip())
        .isEqualTo("HELLO THERE");
  }

  @Test
  void what_a_script_writes_to_its_home_is_there_in_the_next_turn_on_another_machine() {
    shell("counter", "cat >> \"$HOME/said\"; wc -l < \"$HOME/said\"");
    String thread = replica.newThread();
    assertThat(replica.ask(thread, "counter", "one").strip()).isEqualTo("1");
    replica.stop();
    replica.wipeWorkingFiles();
    replica.start();

    assertThat(replica.ask(thread, "counter", "two").strip()).isEqualTo("2");
  }

  @Test
  void a_script_that_fails_is_a_failed_run_with_its_last_words() {
    shell("failing", "echo 'no such customer' >&2; exit 3");

    JsonNode run =
        replica.ended(replica.run(replica.newThread(), "failing", "hi"), Duration.ofSeconds(30));

    assertThat(run.get("status").asString()).isEqualTo("failed");
    assertThat(run.get("error").toString()).contains("3").contains("no such customer");
  }

  @Test
  void the_trace_of_the_request_reaches_the_script() {
    shell("traced", "cat > /dev/null; printf '%s' \"$TRACEPARENT\"");
    String thread = replica.newThread();
    String trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    String body = Turnkeeper.JSON.writeValueAsString(Turnkeeper.message("traced", "hi"));
    JsonNode run =
        replica
            .send(
                replica
                    .request("/threads/" + thread + "/runs")
                    .header("traceparent", "00-" + trace + "-00f067aa0ba902b7-01")
                    .POST(BodyPublishers.ofString(body))
                    .build())
            .expect(200)
            .body();
    replica.ended(run.get("run_id").asString(), Duration.ofSeconds(30));

    JsonNode messages = replica.get("/threads/" + thread).body().at("/values/messages");
    assertThat(messages.get(messages.size() - 1).get("content").asString())
        .matches("00-" + trace + "-[0-9a-f]{16}-01");
  }

  @Test
  void a_transcript_that_ends_in_half_a_line_costs_a_warning_and_not_the_answer() {
    shell(
        "cutting", "cat > /dev/null; printf '{\"n\":1}\\n{\"n\":' > \"$HOME/t.jsonl\"; echo done");
    String thread = replica.newThread();
    String run = replica.run(thread, "cutting", "hi");
    assertThat(replica.ended(run, Duration.ofSeconds(30)).get("status").asString())
        .isEqualTo("completed");

    assertThat(replica.get("/admin/runs/" + run + "/events?after=0&limit=100").text())
        .contains("state_line_incomplete", "home/t.jsonl");
  }
}
