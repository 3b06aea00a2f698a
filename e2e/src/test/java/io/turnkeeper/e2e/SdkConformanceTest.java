package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The published client works unchanged: one script, run at two versions of it against the published
 * in-memory server and against Turnkeeper. Both versions at once against one server: a script makes
 * what it looks at, and mostly waits.
 */
@Tag("external")
class SdkConformanceTest {
  private static final List<String> VERSIONS = List.of("1.9.31", "1.15.0");

  @TempDir Path scratch;

  @Test
  void the_script_passes_on_the_published_in_memory_server() throws Exception {
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
      conforms("--url", "http://127.0.0.1:" + port, "--server", "oracle");
    }
  }

  @Test
  @Promise(4)
  void the_script_passes_on_turnkeeper() throws Exception {
    try (Turnkeeper replica = Turnkeeper.start(scratch.resolve("data"))) {
      replica.addAgent(
          Map.of(
              "name",
              "echo",
              "kind",
              "acp",
              "command",
              List.of("node", Npm.home().resolve("agents/echo-acp.mjs").toString())));
      conforms("--url", replica.url(), "--server", "turnkeeper", "--key", replica.key());
    }
  }

  private void conforms(String... arguments) throws IOException, InterruptedException {
    Map<String, Process> scripts = new TreeMap<>();
    try {
      for (String version : VERSIONS) {
        List<String> command = new ArrayList<>(List.of("node", "conformance.mjs"));
        command.addAll(List.of("--sdk", version));
        command.addAll(List.of(arguments));
        scripts.put(
            version,
            new ProcessBuilder(command)
                .directory(Npm.home().toFile())
                .redirectErrorStream(true)
                .redirectOutput(output(version).toFile())
                .start());
      }
      for (Map.Entry<String, Process> script : scripts.entrySet()) {
        boolean ended = script.getValue().waitFor(300, TimeUnit.SECONDS);
        String said = "SDK " + script.getKey() + "\n" + Turnkeeper.read(output(script.getKey()));
        assertThat(ended).as("the script ends: %s", said).isTrue();
        assertThat(script.getValue().exitValue()).as("the script passes: %s", said).isZero();
        assertThat(said).contains(" passed, 0 failed");
      }
    } finally {
      scripts.values().forEach(Process::destroyForcibly);
    }
  }

  private Path output(String version) {
    return scratch.resolve("conformance-" + version + ".log");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }
}
