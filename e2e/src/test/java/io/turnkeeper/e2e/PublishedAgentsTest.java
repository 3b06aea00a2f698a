package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
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
@Promise(2)
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
                    "true")),
            state ->
                assertThat(state)
                    .as("a database with a write-ahead log, under HOME")
                    .anySatisfy(file -> {
                      assertThat(file.toString()).endsWith("-wal");
                      assertThat(state)
                          .contains(Path.of(file.toString().replaceFirst("-wal$", "")));
                      assertThat(Files.size(file)).isPositive();
                    }));
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
    Path seen = scratch.resolve("seen");
    Map<Path, String> before = new TreeMap<>();
    // Version 0.61 overwrites its session file before it looks for it, so its own load may fail;
    // then the transcript is replayed. So its files are looked at as it finds them when it starts.
    String restored =
        remembers(
            Map.of(
                "name",
                "gemini",
                "kind",
                "acp",
                "command",
                List.of(
                    "/bin/sh",
                    "-c",
                    "rm -rf \"$0\"; cp -R \"$HOME\" \"$0\"; exec \"$@\"",
                    seen.toString(),
                    Npm.program("gemini"),
                    "--acp",
                    "--model",
                    "gemini-2.5-flash"),
                "start_timeout_ms",
                60_000,
                "env",
                Map.of(
                    "GEMINI_API_KEY",
                    "none",
                    "GOOGLE_GEMINI_BASE_URL",
                    "http://127.0.0.1:" + modelPort,
                    "GEMINI_CLI_SYSTEM_SETTINGS_PATH",
                    settings.toString())),
            state -> {
              assertThat(sessions(seen)).as("the first start finds nothing").isEmpty();
              Path home = home(state);
              before.putAll(sessions(home));
            });
    assertThat(before.values()).anySatisfy(text -> assertThat(text).contains(FIRST));
    assertThat(sessions(seen)).as("what the second start finds").isEqualTo(before);
    assertThat(restored).isIn("resume", "load", "replay");
  }

  private static Path home(List<Path> state) {
    return state.stream()
        .filter(file -> file.getFileName().toString().equals("home"))
        .min(Comparator.comparing(Path::getNameCount))
        .orElseThrow();
  }

  /** Gemini CLI's files of its sessions in a HOME, and what is in them. */
  private static Map<Path, String> sessions(Path home) throws IOException {
    Map<Path, String> texts = new TreeMap<>();
    try (Stream<Path> files = Files.walk(home)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        if (file.getFileName().toString().startsWith("session-")) {
          texts.put(home.relativize(file), Files.readString(file, StandardCharsets.ISO_8859_1));
        }
      }
    }
    return texts;
  }

  /** A look at the files that an agent left, while it is still there. */
  private interface Look {
    void at(List<Path> state) throws Exception;
  }

  /** Returns how the second turn's worker came back to the conversation. */
  private String remembers(Map<String, Object> agent, Look look) throws Exception {
    String name = (String) agent.get("name");
    Map<String, String> walls =
        agent.get("name").equals("opencode")
            ? Map.of(
                "TURNKEEPER_WORKER_SANDBOX",
                "auto",
                "TURNKEEPER_WORKER_READ_PATHS",
                Npm.home().toString())
            : Map.of();
    try (Turnkeeper replica = Turnkeeper.of(scratch.resolve("data")).with(walls)) {
      replica.start();
      replica.addAgent(agent);
      String thread = replica.newThread();
      turn(replica, thread, name, FIRST);
      try (Stream<Path> state = Files.walk(replica.data().resolve("conversations"))) {
        look.at(state.toList());
      }
      replica.stop();
      replica.wipeWorkingFiles();
      assertThat(replica.data().resolve("conversations")).doesNotExist();
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
