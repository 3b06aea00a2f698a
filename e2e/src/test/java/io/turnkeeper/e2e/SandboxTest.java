package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * A replica whose workers are closed in, where this machine lets it; what its doctor says of it.
 */
@Tag("e2e")
class SandboxTest {
  private static final Duration IN_TIME = Duration.ofSeconds(40);

  @TempDir static Path scratch;
  private static Turnkeeper replica;
  private static JsonNode doctor;

  @BeforeAll
  static void start() throws IOException, InterruptedException {
    doctor = doctor();
    replica =
        Turnkeeper.of(scratch.resolve("data"))
            .with(Map.of("TURNKEEPER_WORKER_SANDBOX", "auto", "TURNKEEPER_WORKER_DISK", "20MiB"));
    replica.start();
  }

  @AfterAll
  static void stop() {
    replica.close();
  }

  private static JsonNode doctor() throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            Turnkeeper.command("doctor", "--json", "--data", scratch.resolve("data").toString()));
    Process process = new ProcessBuilder(command).redirectErrorStream(false).start();
    JsonNode said =
        Turnkeeper.JSON.readTree(
            new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    assertThat(process.waitFor()).isEqualTo(said.get("all_hold").asBoolean() ? 0 : 1);
    return said;
  }

  private static boolean holds(String wall) {
    for (JsonNode one : doctor.get("walls")) {
      if (one.get("name").asString().equals(wall)) {
        return one.get("holds").asBoolean();
      }
    }
    throw new AssertionError("the doctor does not know " + wall);
  }

  private static void shell(String name, String script, Map<String, Object> more) {
    Map<String, Object> definition = new java.util.HashMap<>(more);
    definition.putAll(
        Map.of("name", name, "kind", "command", "command", List.of("/bin/sh", "-c", script)));
    replica.addAgent(definition);
  }

  @Test
  void the_doctor_names_what_to_do_for_each_wall_that_does_not_hold() {
    for (JsonNode wall : doctor.get("walls")) {
      assertThat(wall.get("todo").asString().isEmpty()).isEqualTo(wall.get("holds").asBoolean());
    }
    assertThat(holds("environment")).isTrue();
    assertThat(holds("no_open_files")).isTrue();
  }

  @Test
  void files_come_back_without_the_links_that_lead_out() {
    shell(
        "linking",
        "cat > /dev/null; cat ~/note 2> /dev/null; ls -A ~; rm -f ~/within; echo kept > ~/note; ln -s / ~/out;"
            + " ln -s ../../../../.. ~/up; ln -s note ~/within; true",
        Map.of());
    String thread = replica.newThread();
    replica.ask(thread, "linking", "one");
    replica.stop();
    replica.wipeWorkingFiles();
    replica.start();

    assertThat(replica.ask(thread, "linking", "two").strip().split("\\s+"))
        .containsExactly("kept", "note", "within", "work");
  }

  @Test
  void a_run_reads_its_own_token_and_not_the_replicas_files() {
    assumeThat(holds("sandbox")).isTrue();
    shell(
        "looking",
        "cat > /dev/null; pwd; wc -c < $TURNKEEPER_RUN_TOKEN_FILE; ls %s; cat %s/credentials"
                .formatted(scratch.resolve("data"), scratch.resolve("data"))
            + "; echo end",
        Map.of());

    assertThat(replica.ask(replica.newThread(), "looking", "hi").strip())
        .matches("/home/agent/work\\n[0-9]+\\nconversations\\nend");
  }

  @Test
  void an_agent_without_network_has_none_or_its_run_is_refused() {
    shell("alone", "cat > /dev/null; grep -c : /proc/net/dev", Map.of("network", "none"));
    JsonNode run = replica.ended(replica.run(replica.newThread(), "alone", "hi"), IN_TIME);

    if (holds("no_network")) {
      assertThat(run.get("status").asString()).isEqualTo("completed");
    } else {
      assertThat(run.at("/error/code").asString()).isEqualTo("sandbox_missing");
    }
  }

  @Test
  void one_that_fills_its_disk_fails_in_words_and_the_space_is_free_again() {
    shell(
        "filling",
        "cat > /dev/null; i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero > ~/f$i;"
            + " i=$((i+1)); done; sleep 600",
        Map.of());
    JsonNode run = replica.ended(replica.run(replica.newThread(), "filling", "hi"), IN_TIME);

    assertThat(run.at("/error/code").asString()).isEqualTo("worker_disk_exceeded");
    assertThat(run.at("/error/message").asString()).contains("worker.disk", "20 MiB");
    assertThat(find("f39")).isFalse();
  }

  @Test
  void one_that_wants_less_memory_is_held_to_that() {
    shell(
        "eating",
        "cat > /dev/null; head -c 200000000 /dev/zero | tail -c 200000000 | sleep 600",
        Map.of("memory_bytes", 64 << 20));
    JsonNode run = replica.ended(replica.run(replica.newThread(), "eating", "hi"), IN_TIME);

    assertThat(run.at("/error/code").asString()).isEqualTo("worker_memory_exceeded");
    assertThat(run.at("/error/message").asString()).contains("64 MiB");
  }

  private static boolean find(String name) {
    try (var files = java.nio.file.Files.walk(scratch.resolve("data/conversations"))) {
      return files.anyMatch(it -> it.getFileName().toString().equals(name));
    } catch (IOException | java.io.UncheckedIOException moving) {
      return false;
    }
  }
}
