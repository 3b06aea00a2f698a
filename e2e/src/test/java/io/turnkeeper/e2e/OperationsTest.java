package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** How a replica starts, is watched, ends and comes back. */
@Tag("e2e")
class OperationsTest {
  @TempDir Path scratch;

  private record Ended(int status, String output) {}

  /** Runs the jar to its end. */
  private Ended up(String... arguments) throws IOException, InterruptedException {
    Path output = scratch.resolve("second.log");
    Process process =
        new ProcessBuilder(Turnkeeper.command(arguments))
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("ends by itself").isTrue();
      return new Ended(process.exitValue(), Turnkeeper.read(output));
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void a_replica_tells_its_health_and_its_numbers_without_a_key() {
    try (Turnkeeper replica = Turnkeeper.start(scratch.resolve("data"))) {
      for (String path :
          List.of("/health/live", "/health/ready", "/ok", "/info", "/openapi.json")) {
        replica.send(replica.request(path).setHeader("x-api-key", "").GET().build()).expect(200);
      }
      JsonNode slots = replica.get("/health/orchestrator").expect(200).body();
      assertThat(slots.path("reserved_conversation_locks").isInt()).as("%s", slots).isTrue();
      assertThat(slots.path("cap").asInt()).isPositive();
      assertThat(slots.path("near_cap").isBoolean()).isTrue();

      replica.addAgent(
          Map.of(
              "name",
              "keeps",
              "kind",
              "command",
              "command",
              List.of("/bin/sh", "-c", "cat > \"$HOME/said\"; echo done")));
      replica.ask(replica.newThread(), "keeps", "hi");
      String scraped = replica.get("/metrics").expect(200).text();
      for (String metric : documentedMetrics()) {
        assertThat(scraped.lines().filter(line -> !line.startsWith("#")))
            .as("samples of %s", metric)
            .anyMatch(line -> line.matches(metric + "[{ ].*"));
      }
    }
  }

  /** The first column of the page's table of metrics, each name whole, as patterns. */
  private static List<String> documentedMetrics() {
    List<String> metrics = new ArrayList<>();
    String page = Turnkeeper.read(Path.of("..", "docs", "operations.md"));
    for (String row : page.lines().filter(it -> it.matches("\\| `(turnkeeper|jvm)_.*")).toList()) {
      Matcher name = Pattern.compile("`([^`]+)`").matcher(row.split("\\|")[1]);
      while (name.find()) {
        String metric = name.group(1).replaceFirst("\\{.*", "");
        if (metric.startsWith("_")) {
          // Another ending of the one before it.
          metric = metrics.getLast().replaceFirst("_[a-z]+$", metric);
        }
        metrics.add(
            metric.endsWith("_seconds") && name.group(1).contains("{")
                ? metric + "_count"
                : metric.replace("*", "\\w+"));
      }
    }
    assertThat(metrics).hasSizeGreaterThan(15);
    return metrics;
  }

  @Test
  void log_lines_of_a_run_name_it_its_conversation_organization_and_epoch() {
    try (Turnkeeper replica = Turnkeeper.of(scratch.resolve("data"), "--set", "log.format=json")) {
      replica.start();
      replica.addAgent(
          Map.of("name", "bad", "kind", "command", "command", List.of("/bin/sh", "-c", "exit 3")));
      String thread = replica.newThread();
      String run = replica.run(thread, "bad", "hi");
      replica.ended(run, Duration.ofSeconds(30));

      JsonNode line =
          replica
              .errors()
              .lines()
              .filter(text -> text.contains("the run ended") && text.contains(run))
              .map(Turnkeeper.JSON::readTree)
              .findFirst()
              .orElseThrow();
      assertThat(line.get("run").asString()).isEqualTo(run);
      assertThat(line.get("conversation").asString()).isEqualTo(thread);
      assertThat(line.get("epoch").asString()).isEqualTo("1");
      assertThat(line.get("organization").asString()).isNotBlank();
      assertThat(line.get("replica").asString()).isNotBlank();
    }
  }

  @Test
  void a_second_replica_on_one_data_directory_is_refused_in_one_line() throws Exception {
    Path data = scratch.resolve("data");
    try (Turnkeeper replica = Turnkeeper.start(data)) {
      Ended second = up("up", "--port", "0", "--data", data.toString());

      assertThat(second.status()).isNotZero();
      assertThat(second.output().strip().lines()).hasSize(1);
      assertThat(second.output()).contains(data.toString());
      replica.get("/health/ready").expect(200);
    }
  }

  @Test
  void a_port_in_use_is_refused_in_one_line() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      String port = Integer.toString(taken.getLocalPort());

      Path data = scratch.resolve("data");

      Ended refused = up("up", "--port", port, "--data", data.toString());

      assertThat(refused.status()).isEqualTo(1);
      assertThat(refused.output().lines()).singleElement().asString().contains(port, "--port");
      assertThat(data.resolve("postgres")).as("a database for nobody").doesNotExist();
    }
  }

  @Test
  void a_first_start_that_failed_has_not_used_up_the_admin_key() throws Exception {
    Path data = scratch.resolve("data");
    // A directory where the key is to be kept: the start fails at its last step.
    Path inTheWay = Files.createDirectories(data.resolve("credentials").resolve("x"));
    Ended failed = up("up", "--port", "0", "--data", data.toString());
    assertThat(failed.status()).isEqualTo(1);
    assertThat(failed.output()).contains("cannot write").doesNotContain("tk_");
    Turnkeeper.removeTree(inTheWay.getParent());

    try (Turnkeeper replica = Turnkeeper.start(data)) {
      replica.get("/admin/agents").expect(200);
    }
  }

  @Test
  @Promise(2)
  void accepted_runs_end_after_the_replica_was_killed_and_no_agent_is_left() {
    String mark = UUID.randomUUID().toString();
    try (Turnkeeper replica = Turnkeeper.start(scratch.resolve("data"))) {
      replica.addAgent(
          Map.of(
              "name",
              "slow",
              "kind",
              "command",
              "command",
              List.of("/bin/sh", "-c", "cat; sleep 2; : " + mark),
              "on_worker_loss",
              "retry"));
      List<String> runs = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        String thread = replica.newThread();
        runs.add(replica.run(thread, "slow", "first"));
        runs.add(replica.run(thread, "slow", "second"));
      }
      replica.isRunning(runs.getFirst());
      replica.kill();
      Awaitility.await("the agents of the dead replica are gone")
          .atMost(Duration.ofSeconds(20))
          .until(() -> Npm.processes(line -> line.contains(mark)).isEmpty());

      replica.start();

      for (String run : runs) {
        assertThat(replica.ended(run, Duration.ofSeconds(90)).get("status").asString())
            .isEqualTo("completed");
      }
      replica.stop();
      assertThat(Npm.processes(line -> line.contains(mark))).isEmpty();
    }
  }

  @Test
  void a_replica_that_is_stopped_leaves_no_process() {
    Path data = scratch.resolve("data");
    Turnkeeper replica = Turnkeeper.start(data);

    replica.stop();

    assertThat(Npm.processes(line -> line.contains(data.toString()))).isEmpty();
  }
}
