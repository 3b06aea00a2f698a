package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Agents that do not work end as failed runs that say so in words that their owner can act on, in
 * time.
 */
@Tag("e2e")
@Promise(10)
class AgentFailureTest {
  private static final Duration IN_TIME = Duration.ofSeconds(20);

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

  private static JsonNode failureOf(String name, List<String> command, Map<String, Object> more) {
    Map<String, Object> definition = new HashMap<>(more);
    definition.putIfAbsent("kind", "acp");
    definition.put("name", name);
    definition.put("command", command);
    definition.put("max_attempts", 1);
    replica.addAgent(definition);
    return replica.ended(replica.run(replica.newThread(), name, "hi"), IN_TIME);
  }

  @Test
  void a_command_that_does_not_exist() {
    JsonNode run = failureOf("missing", List.of("/no/such/agent"), Map.of());

    assertThat(run.get("status").asString()).isEqualTo("failed");
    assertThat(run.at("/error/message").asString()).contains("/no/such/agent");
  }

  @Test
  void a_command_that_is_not_executable() throws IOException {
    Path file = Files.writeString(scratch.resolve("agent.txt"), "#!/bin/sh\necho hi\n");

    JsonNode run = failureOf("not-executable", List.of(file.toString()), Map.of());

    assertThat(run.get("status").asString()).isEqualTo("failed");
    assertThat(run.at("/error/message").asString())
        .contains(file.toString())
        .containsIgnoringCase("execut");
  }

  @Test
  void an_agent_that_never_says_hello() {
    JsonNode run = failureOf("mute", List.of("sleep", "1000"), Map.of("start_timeout_ms", 2_000));

    assertThat(run.get("status").asString()).isEqualTo("failed");
    assertThat(run.at("/error/message").asString()).contains("2000 ms");
  }

  @Test
  void an_agent_that_prints_something_else_than_the_protocol_and_ends() {
    JsonNode run =
        failureOf(
            "chatty",
            List.of("/bin/sh", "-c", "echo 'Welcome!'; echo 'need a licence' >&2; exit 7"),
            Map.of());

    assertThat(run.get("status").asString()).isEqualTo("failed");
    assertThat(run.at("/error/message").asString()).contains("7").contains("need a licence");
  }

  @Test
  void an_agent_that_prints_something_else_than_the_protocol_and_stays() {
    JsonNode run =
        failureOf(
            "talker",
            List.of("/bin/sh", "-c", "echo 'Welcome! Type /help'; sleep 1000"),
            Map.of("start_timeout_ms", 2_000));

    assertThat(run.get("status").asString()).isEqualTo("failed");
    assertThat(run.at("/error/message").asString())
        .contains("no protocol message within 2000 ms")
        .contains("Welcome! Type /help")
        .contains("--acp");
  }

  @Test
  void a_turn_that_never_ends() {
    JsonNode run =
        failureOf(
            "endless",
            List.of("sleep", "1000"),
            Map.of("kind", "command", "run_timeout_ms", 2_000));

    assertThat(run.get("status").asString()).isEqualTo("timeout");
    assertThat(run.at("/error/code").asString()).isEqualTo("run_timeout");
    assertThat(run.at("/error/message").asString()).isEqualTo("the run did not end within 2 s");
  }
}
