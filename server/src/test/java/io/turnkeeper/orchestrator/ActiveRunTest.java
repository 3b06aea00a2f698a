package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.orchestrator.ActiveRun.AgentLimits;
import io.turnkeeper.orchestrator.ActiveRun.Overdue;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.transcript.TurnFold;
import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.PermissionRequest;
import io.turnkeeper.worker.PermissionResolved;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The clocks of a run under way, by a clock that only this test moves. */
@Promise(10)
class ActiveRunTest {
  private static final Duration RUN = Duration.ofMinutes(10);
  private static final Duration PROGRESS = Duration.ofMinutes(2);
  private static final Duration PERMISSION = Duration.ofHours(1);
  private static final Duration MOMENT = Duration.ofMillis(1);

  private static final class HandClock implements Clock {
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    /** Close to where it overflows: only differences mean anything. */
    private long nanos = Long.MAX_VALUE - 5;

    private Duration passed = Duration.ZERO;

    @Override
    public Instant now() {
      return START.plus(passed);
    }

    @Override
    public long nanos() {
      return nanos;
    }

    private void pass(Duration time) {
      nanos += time.toNanos();
      passed = passed.plus(time);
    }
  }

  private final HandClock clock = new HandClock();
  private final List<Write> written = new ArrayList<>();
  private final ActiveRun active = active(Permissions.ASK);

  @Test
  void an_agent_that_shows_no_progress_is_overdue() {
    active.begin();
    clock.pass(PROGRESS);
    assertThat(overdue()).isNull();
    clock.pass(MOMENT);
    assertThat(overdue()).isEqualTo(new Overdue.Progress(PROGRESS));
  }

  @Test
  void every_sign_of_work_starts_the_clock_of_progress_again() {
    active.begin();
    clock.pass(PROGRESS);
    active.update(Json.object().put("sessionUpdate", "agent_message_chunk"));
    clock.pass(PROGRESS);
    assertThat(overdue()).isNull();
    active.progress();
    clock.pass(PROGRESS);
    assertThat(overdue()).isNull();
    clock.pass(MOMENT);
    assertThat(overdue()).isInstanceOf(Overdue.Progress.class);
  }

  @Test
  void what_comes_after_the_end_is_no_sign_of_work() {
    active.begin();
    clock.pass(PROGRESS);
    active.late(Json.object());
    clock.pass(MOMENT);
    assertThat(overdue()).isInstanceOf(Overdue.Progress.class);
    assertThat(active.produced()).isFalse();
  }

  @Test
  void an_agent_that_moves_for_ever_is_overdue_by_its_run_s_deadline() {
    active.begin();
    int minutes = (int) RUN.toMinutes();
    for (int i = 0; i < minutes; i++) {
      clock.pass(Duration.ofMinutes(1));
      active.progress();
      assertThat(overdue()).isNull();
    }
    clock.pass(MOMENT);
    assertThat(overdue()).isEqualTo(new Overdue.Run(RUN));
  }

  @Test
  void while_a_person_is_asked_no_clock_of_the_agent_runs() {
    active.begin();
    clock.pass(Duration.ofMinutes(1));
    ask("p1");
    clock.pass(PERMISSION);
    assertThat(overdue()).isNull();
    answer("p1");
    assertThat(overdue()).isNull();
    clock.pass(PROGRESS);
    assertThat(overdue()).isNull();
    active.progress();
    // Of the run's own time one minute and two are gone, and not the hour.
    clock.pass(PROGRESS);
    active.progress();
    clock.pass(PROGRESS);
    active.progress();
    clock.pass(PROGRESS);
    active.progress();
    clock.pass(Duration.ofMinutes(1));
    assertThat(overdue()).isNull();
    clock.pass(MOMENT);
    assertThat(overdue()).isEqualTo(new Overdue.Run(RUN));
  }

  @Test
  void a_person_has_a_deadline_too_for_each_question() {
    active.begin();
    ask("p1");
    clock.pass(Duration.ofMinutes(30));
    ask("p2");
    clock.pass(Duration.ofMinutes(30));
    assertThat(overdue()).isNull();
    clock.pass(MOMENT);
    assertThat(overdue()).isEqualTo(new Overdue.Permissions(List.of("p1")));
    answer("p1");
    assertThat(overdue()).as("the other one is still open").isNull();
  }

  @Test
  void a_question_that_the_policy_answers_stops_no_clock() {
    ActiveRun allowed = active(Permissions.ALLOW);
    allowed.begin();
    allowed.permissionRequested(new PermissionRequest("p1", Json.object(), Json.array()));
    clock.pass(PROGRESS.plus(MOMENT));
    assertThat(allowed.overdue(clock.nanos())).isEqualTo(new Overdue.Progress(PROGRESS));
  }

  @Test
  void waiting_in_the_queue_and_for_the_start_of_the_agent_burns_nothing() {
    clock.pass(Duration.ofDays(1));
    active.begin();
    assertThat(overdue()).isNull();
    clock.pass(PROGRESS);
    assertThat(overdue()).isNull();
    clock.pass(MOMENT);
    assertThat(overdue()).isInstanceOf(Overdue.Progress.class);
  }

  @Test
  void its_log_says_when_a_question_expires() {
    ask("p1");
    assertThat(written).hasSize(1);
    assertThat(((Write.Waiting) written.getFirst()).event().data().path("expires_at").asString())
        .isEqualTo(HandClock.START.plus(PERMISSION).toString());
  }

  private @Nullable Overdue overdue() {
    return active.overdue(clock.nanos());
  }

  private void ask(String id) {
    active.permissionRequested(new PermissionRequest(id, Json.object(), Json.array()));
  }

  private void answer(String id) {
    active.permissionResolved(
        new PermissionResolved(id, new PermissionAnswer.Selected("allow", "somebody")));
  }

  private ActiveRun active(Permissions permissions) {
    Conversation conversation =
        new Conversation(
            new OrganizationId(UUID.randomUUID()), new AgentId(UUID.randomUUID()), 7, "c");
    RunId id = RunId.next();
    RunLog log =
        new RunLog(
            write -> {
              written.add(write);
              return CompletableFuture.completedFuture(Written.Done.PLAIN);
            },
            new RunLog.Place(new LeaseToken(conversation, 3, 1), id, 0),
            ending -> {
              throw new AssertionError(ending);
            },
            Clock.system());
    return new ActiveRun(
        run(id, conversation),
        log,
        new TurnFold(id.toString()),
        new AgentLimits(permissions, RUN, PROGRESS, PERMISSION),
        clock);
  }

  private static Run run(RunId id, Conversation conversation) {
    Instant longAgo = HandClock.START.minus(Duration.ofDays(7));
    return new Run(
        id,
        conversation,
        1,
        "turn",
        RunStatus.RUNNING,
        0,
        1,
        1,
        1,
        Json.object(),
        Json.object(),
        Json.object(),
        null,
        null,
        null,
        null,
        new Run.Times(longAgo, longAgo, null, longAgo, null));
  }
}
