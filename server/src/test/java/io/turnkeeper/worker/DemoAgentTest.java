package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.demo.DemoAgent;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The agent that ships, and the official SDK in it, under our supervision. */
@Timeout(60)
final class DemoAgentTest {
  @TempDir Path dir;

  private Worker start(Workers workers, @Nullable Session previous, String transcript)
      throws Exception {
    return workers.start(
        new WorkerSpec(
            WorkerSpec.Kind.ACP,
            DemoAgent.command(),
            Map.of(),
            dir.resolve("home"),
            dir.resolve("work"),
            Permissions.ALLOW,
            Duration.ofSeconds(40)),
        previous,
        transcript);
  }

  private static Recorder say(Worker worker, String text) throws Exception {
    var input = Json.object();
    input.putArray("messages").addObject().put("type", "human").put("content", text);
    Recorder told = new Recorder();
    TurnEnd end = worker.prompt(new Turn("r", "t", 1, false, input), told);
    assertThat(end).isEqualTo(new TurnEnd.Ended("end_turn", null));
    return told;
  }

  @Test
  void it_remembers_over_a_restart_asks_before_it_deletes_and_streams() throws Exception {
    WorkersConfig config =
        WorkersConfig.defaults("demo-" + ProcessHandle.current().pid(), Duration.ofMinutes(10));
    try (Workers workers = Workers.open(config, Clock.system())) {
      Session session;
      try (Worker worker = start(workers, null, "")) {
        assertThat(say(worker, "Hello, my name is Ada").text()).contains("my name is Ada");
        session = worker.session().orElseThrow();
      }
      try (Worker worker = start(workers, session, "user: Hello, my name is Ada")) {
        assertThat(worker.restored()).isEqualTo(Restore.LOAD);
        Recorder recalled = say(worker, "What do you remember?");
        assertThat(recalled.text()).contains("I remember: my name is Ada.", "This is message 2");
        assertThat(recalled.updates).hasSizeGreaterThan(10);
        Recorder deleted = say(worker, "please delete my name");
        assertThat(deleted.asked).hasSize(1);
        assertThat(deleted.text()).isEqualTo("Deleted 1 note.");
      }
    }
  }
}
