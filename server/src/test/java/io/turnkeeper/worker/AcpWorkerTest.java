package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.worker.WorkerSpec.Permissions;
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

/** Real processes, each of which misbehaves in one way. */
@Timeout(60)
final class AcpWorkerTest {
  private static final String SECRET = "sk-very-secret";
  private static Workers workers;

  @TempDir Path dir;

  @BeforeAll
  static void open() {
    workers =
        Workers.open(
            new WorkersConfig(
                "test-" + ProcessHandle.current().pid(),
                Duration.ofMinutes(10),
                Duration.ofMillis(300),
                Duration.ofMillis(300),
                16 * 1024 * 1024,
                8192,
                Path.of(""),
                Walls.none()),
            Clock.system());
  }

  @AfterAll
  static void close() {
    workers.close();
  }

  private WorkerSpec spec(Permissions permissions, List<String> command) {
    return new WorkerSpec(
        WorkerSpec.Kind.ACP,
        command,
        Map.of("API_KEY", SECRET),
        dir.resolve("home"),
        dir.resolve("work"),
        permissions,
        Duration.ofSeconds(20));
  }

  private Worker start(String... flags) throws Exception {
    return workers.start(spec(Permissions.ASK, FakeAgent.command(flags)), null, "");
  }

  private static Turn turn(String text) {
    var input = Json.object();
    input.putArray("messages").addObject().put("type", "human").put("content", text);
    return new Turn("run-1", "thread-1", 1, false, input);
  }

  private static CompletableFuture<TurnEnd> promptAside(Worker worker, TurnListener listener) {
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

  private WorkerFailure failure(WorkerSpec spec) {
    return catchThrowableOfType(WorkerFailure.class, () -> workers.start(spec, null, ""));
  }

  @Test
  void a_turn_streams_its_updates_and_ends_as_the_agent_says() throws Exception {
    try (Worker worker = start()) {
      assertThat(worker.restored()).isEqualTo(Restore.NONE);
      assertThat(worker.session()).isPresent();
      for (int i = 0; i < 2; i++) {
        Recorder told = new Recorder();
        TurnEnd end = worker.prompt(turn("hi"), told);
        assertThat(end).isInstanceOf(TurnEnd.Ended.class);
        assertThat(((TurnEnd.Ended) end).stopReason()).isEqualTo("end_turn");
        assertThat(((TurnEnd.Ended) end).usage()).hasToString("{\"totalTokens\":7}");
        assertThat(told.text()).isEqualTo("hello world");
        assertThat(told.progress).isPositive();
      }
      assertThat(worker.alive()).isTrue();
      assertThat(worker.residentBytes()).isGreaterThan(1_000_000);
    }
  }

  @Test
  void the_agent_sees_its_own_environment_and_nothing_of_the_servers() throws Exception {
    try (Worker worker = start("env")) {
      Recorder told = new Recorder();
      worker.prompt(turn("hi"), told);
      assertThat(told.text())
          .startsWith("API_KEY HOME LANG PATH TERM TMPDIR TURNKEEPER_WORKER in ")
          .contains(dir.resolve("work").toString());
    }
    assertThat(dir.resolve("home.tmp")).doesNotExist();
  }

  @Test
  @Promise(5)
  void the_agent_is_told_which_attempt_this_is_and_that_it_was_interrupted() throws Exception {
    try (Worker worker = start("echo")) {
      Recorder told = new Recorder();
      worker.prompt(new Turn("r7", "t1", 2, true, turn("go on").input()), told);
      assertThat(told.text())
          .contains("'run_id':'r7'", "'attempt':2", "'interrupted':true", "was interrupted before")
          .contains("go on");
    }
  }

  @Test
  void the_agent_is_told_to_which_trace_a_turn_belongs() throws Exception {
    String trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    try (Worker worker = start("echo")) {
      Recorder told = new Recorder();
      worker.prompt(new Turn("r1", "t1", 1, false, turn("hi").input(), trace), told);
      assertThat(told.text()).contains("'traceparent':'" + trace + "'");
      Recorder without = new Recorder();
      worker.prompt(turn("hi"), without);
      assertThat(without.text()).contains("'run_id'").doesNotContain("traceparent");
    }
  }

  @Test
  void garbage_on_stdout_is_skipped() throws Exception {
    try (Worker worker = start("garbage")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("hi"), told)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.text()).isEqualTo("hello world");
    }
  }

  @Test
  void a_line_of_10_MB_arrives_and_one_over_the_limit_is_skipped() throws Exception {
    try (Worker worker = start("big", "over-limit")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("hi"), told)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.text()).hasSize(10 * 1024 * 1024 + "hello world".length());
      assertThat(told.text()).doesNotContain("y");
    }
  }

  @Test
  void an_answer_without_a_newline_before_the_end_of_the_process_counts() throws Exception {
    try (Worker worker = start("no-newline")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("hi"), told)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.text()).isEqualTo("hello world");
      for (int i = 0; i < 2; i++) {
        TurnEnd next = worker.prompt(turn("again"), told);
        assertThat(((TurnEnd.Failed) next).code()).isEqualTo("worker_died");
      }
      assertThat(worker.alive()).isFalse();
    }
  }

  @Test
  void a_death_mid_prompt_fails_the_turn_with_the_reason_and_without_secrets() throws Exception {
    try (Worker worker = start("die")) {
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn("hi"), new Recorder());
      assertThat(end.code()).isEqualTo("worker_died");
      assertThat(end.message())
          .contains("exited with code 3", "FATAL: out of tokens, key ***")
          .doesNotContain(SECRET);
    }
  }

  @Test
  void a_death_is_noticed_and_nothing_survives_when_grandchildren_keep_the_pipes()
      throws Exception {
    try (Worker worker = start("fork", "die")) {
      Recorder told = new Recorder();
      long before = System.nanoTime();
      TurnEnd end = worker.prompt(turn("hi"), told);
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(5));
      assertThat(((TurnEnd.Failed) end).code()).isEqualTo("worker_died");
      String[] pids = told.text().split(" ");
      assertThat(pids).hasSize(2);
      for (String pid : pids) {
        Processes.awaitGone(Long.parseLong(pid));
      }
    }
  }

  @Test
  void a_death_at_start_says_the_exit_code_and_the_end_of_stderr() {
    WorkerFailure failure = failure(spec(Permissions.ASK, FakeAgent.command("die-at-start")));
    assertThat(failure.code()).isEqualTo("worker_died");
    assertThat(failure)
        .hasMessageContaining("exited with code 7")
        .hasMessageContaining("no model configured, key ***");
  }

  @Test
  void a_start_that_prints_nothing_fails_within_its_timeout() {
    WorkerFailure failure = failure(quick(FakeAgent.command("mute")));
    assertThat(failure.code()).isEqualTo("worker_start_timeout");
    assertThat(failure).hasMessageContaining("printed nothing within 1500 ms");
  }

  @Test
  void a_start_that_prints_no_protocol_says_what_it_printed() {
    WorkerFailure failure = failure(quick(FakeAgent.command("garbage-only")));
    assertThat(failure).hasMessageContaining("Welcome to the agent!").hasMessageContaining("--acp");
  }

  private WorkerSpec quick(List<String> command) {
    WorkerSpec spec = spec(Permissions.ASK, command);
    return new WorkerSpec(
        spec.kind(),
        spec.command(),
        spec.env(),
        spec.home(),
        spec.workDir(),
        spec.permissions(),
        Duration.ofMillis(1500));
  }

  @Test
  void a_command_that_does_not_exist_is_named() {
    WorkerFailure byName = failure(spec(Permissions.ASK, List.of("no-such-agent", "acp")));
    assertThat(byName.code()).isEqualTo("command_not_found");
    assertThat(byName).hasMessageContaining("no-such-agent");
    WorkerFailure byPath = failure(spec(Permissions.ASK, List.of("/opt/nowhere/agent")));
    assertThat(byPath.code()).isEqualTo("command_not_found");
    assertThat(byPath).hasMessageContaining("/opt/nowhere/agent");
  }

  @Test
  void a_command_that_is_not_executable_says_so() throws Exception {
    Path script = Files.writeString(dir.resolve("agent.sh"), "#!/bin/sh\n");
    WorkerFailure failure = failure(spec(Permissions.ASK, List.of(script.toString())));
    assertThat(failure.code()).isEqualTo("command_not_executable");
    assertThat(failure).hasMessageContaining("chmod +x");
    assertThat(failure(spec(Permissions.ASK, List.of(dir.toString()))))
        .hasMessageContaining("is a directory");
  }

  @Test
  void an_agent_of_another_protocol_version_is_refused() {
    WorkerFailure failure = failure(spec(Permissions.ASK, FakeAgent.command("v2")));
    assertThat(failure.code()).isEqualTo("protocol_version");
    assertThat(failure).hasMessageContaining("speaks version 2");
  }

  @Test
  void an_agent_that_wants_a_login_says_where_to_put_its_key() {
    WorkerFailure failure = failure(spec(Permissions.ASK, FakeAgent.command("wants-login")));
    assertThat(failure.code()).isEqualTo("auth_required");
  }

  @Test
  void an_error_for_the_prompt_fails_the_turn_and_keeps_the_worker() throws Exception {
    try (Worker worker = start("prompt-error")) {
      TurnEnd.Failed end = (TurnEnd.Failed) worker.prompt(turn("hi"), new Recorder());
      assertThat(end.code()).isEqualTo("agent_error");
      assertThat(end.message()).contains("the model said no to ***").doesNotContain(SECRET);
      assertThat(worker.alive()).isTrue();
    }
  }

  @Test
  void cancel_ends_the_turn_and_keeps_the_worker() throws Exception {
    try (Worker worker = start("until-cancel")) {
      Recorder told = new Recorder();
      var end = promptAside(worker, told);
      told.await(() -> told.updates.size() == 1);
      worker.cancel();
      worker.cancel();
      assertThat(end.get(20, TimeUnit.SECONDS)).isInstanceOf(TurnEnd.Cancelled.class);
      assertThat(worker.alive()).isTrue();
      worker.cancel();
    }
  }

  @Test
  void an_agent_that_ignores_cancel_is_ended_and_one_that_ignores_that_is_killed()
      throws Exception {
    for (String[] flags :
        List.of(new String[] {"never-ends"}, new String[] {"never-ends", "ignore-term"})) {
      try (Worker worker = start(flags)) {
        Recorder told = new Recorder();
        var end = promptAside(worker, told);
        told.await(() -> told.updates.size() == 1);
        worker.cancel();
        assertThat(end.get(20, TimeUnit.SECONDS)).isInstanceOf(TurnEnd.Cancelled.class);
        assertThat(worker.alive()).isFalse();
      }
    }
  }

  @Test
  void a_question_while_cancelling_is_answered_cancelled() throws Exception {
    try (Worker worker = start("ask-on-cancel")) {
      Recorder told = new Recorder();
      var end = promptAside(worker, told);
      told.await(() -> told.updates.size() == 1);
      worker.cancel();
      assertThat(end.get(20, TimeUnit.SECONDS)).isInstanceOf(TurnEnd.Cancelled.class);
      assertThat(told.text()).isEqualTo("workingtold cancelled");
      assertThat(told.asked).isEmpty();
    }
  }

  @Test
  void a_person_answers_a_question_once() throws Exception {
    try (Worker worker = start("ask")) {
      Recorder told = new Recorder();
      var end = promptAside(worker, told);
      told.await(() -> told.asked.size() == 1);
      String id = told.asked.getFirst().id();
      var nonsense = new PermissionAnswer.Selected("maybe", "ada");
      assertThat(worker.answer(id, nonsense)).isEqualTo(Worker.Answered.NO_SUCH_OPTION);
      var yes = new PermissionAnswer.Selected("yes", "ada");
      assertThat(worker.answer(id, yes)).isEqualTo(Worker.Answered.DONE);
      assertThat(worker.answer(id, yes)).isEqualTo(Worker.Answered.GONE);
      assertThat(end.get(20, TimeUnit.SECONDS)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.text()).startsWith("allowed");
      assertThat(told.resolved).containsExactly(new PermissionResolved(id, yes));
    }
  }

  @Test
  void policy_answers_where_the_definition_says_so() throws Exception {
    for (Permissions policy : List.of(Permissions.ALLOW, Permissions.DENY)) {
      try (Worker worker = workers.start(spec(policy, FakeAgent.command("ask")), null, "")) {
        Recorder told = new Recorder();
        worker.prompt(turn("hi"), told);
        String option = policy == Permissions.ALLOW ? "yes" : "no";
        assertThat(told.asked).hasSize(1);
        assertThat(told.resolved.getFirst().answer())
            .isEqualTo(new PermissionAnswer.Selected(option, "policy"));
      }
    }
  }

  @Test
  void an_update_after_the_end_is_told_as_late() throws Exception {
    try (Worker worker = start("late")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("hi"), told)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.late).isEmpty();
      Files.createFile(dir.resolve("work/go-on"));
      told.await(() -> told.late.size() == 1);
      assertThat(told.text()).isEqualTo("hello world");
    }
  }

  @Test
  void a_second_answer_to_one_request_changes_nothing() throws Exception {
    try (Worker worker = start("answers-twice")) {
      for (int i = 0; i < 2; i++) {
        TurnEnd end = worker.prompt(turn("hi"), new Recorder());
        assertThat(((TurnEnd.Ended) end).stopReason()).isEqualTo("end_turn");
      }
    }
  }

  @Test
  void unknown_updates_pass_through_and_unknown_requests_are_refused() throws Exception {
    try (Worker worker = start("unknown")) {
      Recorder told = new Recorder();
      assertThat(worker.prompt(turn("hi"), told)).isInstanceOf(TurnEnd.Ended.class);
      assertThat(told.updates.getFirst().toString())
          .isEqualTo("{\"sessionUpdate\":\"hologram\",\"shape\":{\"faces\":6}}");
      assertThat(told.text()).contains("-32601");
    }
  }

  @Test
  void a_listener_that_throws_ends_the_turn_and_the_worker() throws Exception {
    try (Worker worker = start("never-ends")) {
      Recorder refusing = new Recorder();
      TurnListener listener = new Refusing(refusing);
      assertThatThrownBy(() -> worker.prompt(turn("hi"), listener)).hasMessage("lease lost");
      assertThat(worker.alive()).isFalse();
    }
  }

  private record Refusing(Recorder told) implements TurnListener {
    @Override
    public void update(tools.jackson.databind.node.ObjectNode update) {
      throw new IllegalStateException("lease lost");
    }

    @Override
    public void permissionRequested(PermissionRequest request) {}

    @Override
    public void permissionResolved(PermissionResolved resolved) {}

    @Override
    public void progress() {}

    @Override
    public void late(tools.jackson.databind.node.ObjectNode update) {}
  }

  @Test
  void a_session_is_loaded_and_its_replay_is_not_told_again() throws Exception {
    Session old = new Session("old-1", dir.resolve("work").toString());
    try (Worker worker = restored(old, "load", "resume")) {
      assertThat(worker.restored()).isEqualTo(Restore.LOAD);
      assertThat(worker.session()).contains(old);
      Recorder told = new Recorder();
      worker.prompt(turn("hi"), told);
      assertThat(told.text()).isEqualTo("hello world");
    }
  }

  @Test
  void a_session_is_resumed_when_it_cannot_be_loaded() throws Exception {
    Session old = new Session("old-1", dir.resolve("work").toString());
    try (Worker worker = restored(old, "resume")) {
      assertThat(worker.restored()).isEqualTo(Restore.RESUME);
    }
    try (Worker worker = restored(old, "load-refuses", "resume")) {
      assertThat(worker.restored()).isEqualTo(Restore.RESUME);
      assertThat(worker.session()).contains(old);
    }
  }

  @Test
  void the_transcript_is_replayed_once_when_a_load_lies_or_nothing_can_be_restored()
      throws Exception {
    Session old = new Session("old-1", dir.resolve("work").toString());
    for (String flag : List.of("load-lies", "load-refuses", "none")) {
      try (Worker worker = restored(old, flag, "echo")) {
        assertThat(worker.restored()).isEqualTo(Restore.REPLAY);
        assertThat(worker.session().orElseThrow().id()).startsWith("new-");
        Recorder first = new Recorder();
        worker.prompt(turn("hi"), first);
        assertThat(first.text()).contains("user: my name is Ada", "'text':'hi'");
        Recorder second = new Recorder();
        worker.prompt(turn("hi"), second);
        assertThat(second.text()).doesNotContain("my name is Ada");
      }
    }
  }

  private Worker restored(Session old, String... flags) throws Exception {
    return workers.start(
        spec(Permissions.ASK, FakeAgent.command(flags)), old, "user: my name is Ada");
  }
}
