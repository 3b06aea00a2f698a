package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Agents from npm, unchanged, offline against a mock model: two turns, and between them the replica
 * is stopped and all that the agent left on the machine is wiped. The second request to the model
 * must hold the first turn.
 */
@Tag("external")
class PublishedAgentsTest {
  private static final String FIRST = "My dog is called Rex.";
  private static final String SECOND = "What is my dog called?";
  private static final Duration TURN = Duration.ofSeconds(120);

  @TempDir Path scratch;
  private Npm.Running model;
  private int modelPort;

  @BeforeEach
  void start_the_model() {
    model = Npm.mockModel(scratch);
    modelPort = Npm.port(model);
  }

  @AfterEach
  void stop_the_model() {
    model.close();
  }

  @Test
  void open_code_remembers_after_its_replica_and_its_files_are_gone() throws Exception {
    String config =
        """
        {"autoupdate":false,"share":"disabled","snapshot":false,"lsp":false,"formatter":false,
         "enabled_providers":["local"],"model":"local/mock","small_model":"local/mock",
         "provider":{"local":{"npm":"@ai-sdk/openai-compatible","name":"Local",
           "options":{"baseURL":"http://127.0.0.1:%d/v1","apiKey":"none"},
           "models":{"mock":{"name":"mock","limit":{"context":32000,"output":4000}}}}}}\
        """
            .formatted(modelPort);
    String restored =
        remembers(
            Map.of(
                "name",
                "opencode",
                "kind",
                "acp",
                "command",
                List.of(Npm.program("opencode"), "acp"),
                "start_timeout_ms",
                60_000,
                "env",
                Map.of(
                    "OPENCODE_CONFIG_CONTENT",
                    config,
                    "OPENCODE_DISABLE_AUTOUPDATE",
                    "1",
                    "OPENCODE_DISABLE_MODELS_FETCH",
                    "1",
                    "OPENCODE_DISABLE_LSP_DOWNLOAD",
                    "1",
                    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
                    "1",
                    "npm_config_offline",
                    "true")));
    assertThat(restored).isIn("resume", "load");
  }

  @Test
  void gemini_cli_remembers_after_its_replica_and_its_files_are_gone() throws Exception {
    Path settings =
        Files.writeString(
            scratch.resolve("gemini.json"),
            """
            {"security":{"auth":{"selectedType":"gemini-api-key"},"folderTrust":{"enabled":false}},
             "general":{"enableAutoUpdate":false,"enableAutoUpdateNotification":false},
             "privacy":{"usageStatisticsEnabled":false}}\
            """);
    // Version 0.61 overwrites its session file before it looks for it, so its own load may fail;
    // then
    // the transcript is replayed.
    String restored =
        remembers(
            Map.of(
                "name",
                "gemini",
                "kind",
                "acp",
                "command",
                List.of(Npm.program("gemini"), "--acp", "--model", "gemini-2.5-flash"),
                "start_timeout_ms",
                60_000,
                "env",
                Map.of(
                    "GEMINI_API_KEY",
                    "none",
                    "GOOGLE_GEMINI_BASE_URL",
                    "http://127.0.0.1:" + modelPort,
                    "GEMINI_CLI_SYSTEM_SETTINGS_PATH",
                    settings.toString())));
    assertThat(restored).isIn("resume", "load", "replay");
  }

  /** Returns how the second turn's worker came back to the conversation. */
  private String remembers(Map<String, Object> agent) throws Exception {
    String name = (String) agent.get("name");
    try (Turnkeeper replica = Turnkeeper.start(scratch.resolve("data"))) {
      replica.addAgent(agent);
      String thread = replica.newThread();
      turn(replica, thread, name, FIRST);
      replica.stop();
      replica.wipeWorkingFiles();
      int asked = requests().size();
      replica.start();

      JsonNode second = turn(replica, thread, name, SECOND);

      List<String> since = requests().subList(asked, requests().size());
      assertThat(since).anySatisfy(body -> assertThat(body).contains(FIRST).contains(SECOND));
      return second.get("restore_mode").asString();
    }
  }

  private static JsonNode turn(Turnkeeper replica, String thread, String agent, String text) {
    JsonNode run = replica.ended(replica.run(thread, agent, text), TURN);
    assertThat(run.get("status").asString()).as("%s", run).isEqualTo("completed");
    return run;
  }

  private List<String> requests() throws Exception {
    URI requests = URI.create("http://127.0.0.1:" + modelPort + "/requests");
    try (HttpClient http = HttpClient.newHttpClient()) {
      String all =
          http.send(HttpRequest.newBuilder(requests).build(), BodyHandlers.ofString()).body();
      return Turnkeeper.JSON.readTree(all).valueStream().map(JsonNode::toString).toList();
    }
  }
}
