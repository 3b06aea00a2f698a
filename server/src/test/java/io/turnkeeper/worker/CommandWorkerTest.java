package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class CommandWorkerTest {
  private static Workers workers;

  @TempDir Path dir;

  @BeforeAll
  static void open() {
    workers =
        Workers.open(
            new WorkersConfig(
                "command-" + ProcessHandle.current().pid(),
                Duration.ofMinutes(10),
                Duration.ofMillis(300),
                Duration.ofMillis(300),
                1024 * 1024,
                8192,
                Path.of(""),
                Walls.none()),
            Clock.system());
  }

  @AfterAll
  static void close() {
    workers.close();
  }

  private Worker worker(String... command) throws Exception {
    return workers.start(
        new WorkerSpec(
            WorkerSpec.Kind.COMMAND,
            List.of(command),
            Map.of("TOKEN", "t0ken-t0ken"),
            dir.resolve("home"),
            dir.resolve("work"),
            WorkerSpec.Permissions.ALLOW,
            Duration.ofSeconds(20)),
        null,
        "");
  }

  private Worker script(String body) throws Exception {
    return worker("/bin/sh", "-c", body);
  }

  private static Turn turn(String text) {
    var input = Json.object();
    var messages = input.putArray("messages");
    messages.addObject().put("type", "human").put("content", "old");
    messages.addObject().put("type", "ai").put("content", "old answer");
    messages.addObject().put("type", "human").put("content", text);
    return new Turn("run-1", "thread-1", 3, false, input);
  }

  @Test
  void the_input_is_json_on_stdin_and_stdout_is_the_answer() throws Exception {
    try (Worker worker = script("cat; echo \"$TURNKEEPER_RUN_ID $TURNKEEPER_ATTEMPT\"")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("new"), told)).isEqualTo(new TurnEnd.Ended("end_turn", null));
      String[] lines = told.text().split("\n");
      var input = Json.parse(lines[0]);
      assertThat(input.path("run_id").asString()).isEqualTo("run-1");
      assertThat(input.path("text").asString()).isEqualTo("new");
      assertThat(input.path("messages").size()).isEqualTo(3);
      assertThat(lines[1]).isEqualTo("run-1 3");
      assertThat(told.updates.getFirst().path("sessionUpdate").asString())
          .isEqualTo("agent_message_chunk");
    }
  }

  @Test
  void the_command_is_told_to_which_trace_its_run_belongs() throws Exception {
    String trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    try (Worker worker = script("cat > /dev/null; printf '%s' \"${TRACEPARENT-none}\"")) {
      Recorder told = new Recorder();
      worker.prompt(new Turn("r1", "t1", 1, false, turn("hi").input(), trace), told);
      assertThat(told.text()).isEqualTo(trace);
      Recorder without = new Recorder();
      worker.prompt(turn("hi"), without);
      assertThat(without.text()).isEqualTo("none");
    }
  }

  @Test
  void the_token_of_its_run_is_for_the_command_and_never_told() throws Exception {
    String body =
        "cat > /dev/null; printf '%s' \"${#TURNKEEPER_RUN_TOKEN} $TURNKEEPER_RUN_TOKEN\";"
            + " echo \"bad $TURNKEEPER_RUN_TOKEN\" >&2; exit 3";
    try (Worker worker = script(body)) {
      Recorder told = new Recorder();
      Turn turn = new Turn("r1", "t1", 1, false, turn("hi").input(), "run-token", null);
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn, told);
      assertThat(told.text()).isEqualTo("9 ***");
      assertThat(end.message()).contains("bad ***").doesNotContain("run-token");
    }
  }

  @Test
  void output_streams_as_it_comes_and_characters_are_not_cut() throws Exception {
    byte[] euro = "€".getBytes(StandardCharsets.UTF_8);
    String first = String.format("\\%03o\\%03o", euro[0] & 0xff, euro[1] & 0xff);
    String rest = String.format("\\%03o", euro[2] & 0xff);
    String body =
        "printf 'one '; while [ ! -e go ]; do sleep 0.01; done; printf '"
            + first
            + "'; while [ ! -e on ]; do sleep 0.01; done; printf '"
            + rest
            + "'; printf '\\377.'";
    try (Worker worker = script(body)) {
      Recorder told = new Recorder();
      var end = aside(worker, told);
      told.await(() -> told.text().equals("one "));
      Files.createFile(dir.resolve("work/go"));
      Files.createFile(dir.resolve("work/on"));
      assertThat(end.get(20, TimeUnit.SECONDS)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.text()).isEqualTo("one €\uFFFD.");
    }
  }

  private static CompletableFuture<TurnEnd> aside(Worker worker, TurnListener listener) {
    CompletableFuture<TurnEnd> end = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            end.complete(worker.prompt(turn("hi"), listener));
          } catch (Throwable e) {
            end.completeExceptionally(e);
          }
        });
    return end;
  }

  @Test
  void another_exit_code_fails_the_turn_with_the_end_of_stderr_without_secrets() throws Exception {
    try (Worker worker = script("echo partly; echo \"bad $TOKEN\" >&2; exit 4")) {
      Recorder told = new Recorder();
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn("x"), told);
      assertThat(end.code()).isEqualTo("command_failed");
      assertThat(end.message()).contains("exited with code 4", "bad ***");
      assertThat(told.text()).isEqualTo("partly\n");
    }
  }

  @Test
  void files_stay_from_turn_to_turn_and_each_turn_is_a_process() throws Exception {
    try (Worker worker = script("echo $$ >> $HOME/pids; wc -l < $HOME/pids")) {
      for (int i = 1; i <= 2; i++) {
        Recorder told = new Recorder();
        worker.prompt(turn("x"), told);
        assertThat(told.text().strip()).isEqualTo(Integer.toString(i));
      }
    }
  }

  @Test
  void a_command_that_does_not_exist_fails_its_turn_in_words() throws Exception {
    try (Worker worker = worker("no-such-command")) {
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn("x"), new Recorder());
      assertThat(end.code()).isEqualTo("command_not_found");
    }
  }

  @Test
  void cancel_ends_a_command_that_ignores_term_and_its_children() throws Exception {
    try (Worker worker = script("trap '' TERM; sleep 600 & echo $!; wait; wait; sleep 600")) {
      Recorder told = new Recorder();
      var end = aside(worker, told);
      told.await(() -> told.text().endsWith("\n"));
      worker.cancel();
      assertThat(end.get(20, TimeUnit.SECONDS)).isEqualTo(new TurnEnd.Cancelled());
      Processes.awaitGone(Long.parseLong(told.text().strip()));
      assertThat(worker.alive()).isTrue();
    }
  }

  @Test
  void what_a_finished_command_left_running_is_killed() throws Exception {
    try (Worker worker = script("sleep 600 & echo $!")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("x"), told)).isInstanceOf(TurnEnd.Ended.class);
      Processes.awaitGone(Long.parseLong(told.text().strip()));
    }
  }
}
