package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The published client works unchanged: one script, run against the published in-memory server and
 * against Turnkeeper.
 */
@Tag("external")
class SdkConformanceTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @ValueSource(strings = "1.9.31")
  void the_script_passes_on_the_published_in_memory_server(String sdk) throws Exception {
    int port = freePort();
    Map<String, String> quiet =
        Map.of(
            "HOME", scratch.toString(),
            "LANGGRAPH_CLI_NO_ANALYTICS", "1",
            "LANGSMITH_TRACING", "false");
    try (Npm.Running oracle =
        Npm.start(
            Npm.home().resolve("oracle"),
            scratch.resolve("oracle.log"),
            quiet,
            Npm.program("langgraphjs"),
            "dev",
            "--no-browser",
            "--no-reload",
            "--host",
            "127.0.0.1",
            "-p",
            Integer.toString(port))) {
      oracle.waitFor(Pattern.compile("Server running at"));
      conforms(List.of("--url", "http://127.0.0.1:" + port, "--server", "oracle", "--sdk", sdk));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"1.9.31", "1.15.0"})
  void the_script_passes_on_turnkeeper(String sdk) throws Exception {
    try (Turnkeeper replica = Turnkeeper.start(scratch.resolve("data"))) {
      replica.addAgent(
          Map.of(
              "name",
              "echo",
              "kind",
              "acp",
              "command",
              List.of("node", Npm.home().resolve("agents/echo-acp.mjs").toString())));
      conforms(
          List.of(
              "--url",
              replica.url(),
              "--server",
              "turnkeeper",
              "--sdk",
              sdk,
              "--key",
              replica.key()));
    }
  }

  private void conforms(List<String> arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("node", "conformance.mjs"));
    command.addAll(arguments);
    Path output = scratch.resolve("conformance.log");
    Process script =
        new ProcessBuilder(command)
            .directory(Npm.home().toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    boolean ended = script.waitFor(300, TimeUnit.SECONDS);
    script.destroyForcibly();
    String said = Turnkeeper.read(output);
    assertThat(ended).as("the script ends:\n%s", said).isTrue();
    assertThat(script.exitValue()).as("the script passes:\n%s", said).isZero();
    assertThat(said).contains(" passed, 0 failed");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }
}
