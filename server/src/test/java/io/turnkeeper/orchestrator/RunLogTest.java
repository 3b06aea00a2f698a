package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
@Promise(2)
class RunLogTest {
  private record Handed(Write write, CompletableFuture<Written> answer) {
    int seq() {
      return switch (write) {
        case Write.Log log -> log.event().seq();
        case Write.Waiting waiting -> waiting.event().seq();
        default -> throw new AssertionError(write);
      };
    }

    void commit() {
      answer.complete(Written.Done.PLAIN);
    }

    void away() {
      answer.completeExceptionally(
          new Refusal.Unavailable("outcome_unknown", "it broke", Duration.ofSeconds(1)));
    }
  }

  private final LeaseToken lease =
      new LeaseToken(
          new Conversation(
              new OrganizationId(UUID.randomUUID()), new AgentId(UUID.randomUUID()), 7, "c"),
          3,
          1);
  private final BlockingQueue<Handed> handed = new LinkedBlockingQueue<>();
  private final List<Ending> broken = new ArrayList<>();
  private final RunLog log =
      new RunLog(
          write -> {
            CompletableFuture<Written> answer = new CompletableFuture<>();
            handed.add(new Handed(write, answer));
            // As the writer does: such a future wraps what the first one fails with.
            return answer.whenComplete((written, failure) -> {});
          },
          new RunLog.Place(lease, RunId.next(), 4),
          broken::add,
          io.turnkeeper.base.Clock.system());

  @Test
  @Promise(4)
  void events_are_numbered_behind_those_that_are_there() throws Exception {
    say(3);
    assertThat(List.of(next().seq(), next().seq(), next().seq())).containsExactly(5, 6, 7);
    assertThat(log.next("end", Json.object()).seq()).isEqualTo(8);
  }

  @Test
  void what_was_under_way_when_the_database_went_away_goes_again_under_its_numbers()
      throws Exception {
    say(4);
    next().commit();
    List<Handed> failed = List.of(next(), next(), next());
    failed.get(0).away();
    say(2);
    assertThat(handed).isEmpty();
    failed.get(1).away();
    failed.get(2).away();
    for (int seq = 6; seq <= 10; seq++) {
      Handed again = next();
      assertThat(again.seq()).isEqualTo(seq);
      again.commit();
    }
    log.awaitCommitted();
    assertThat(broken).isEmpty();
  }

  @Test
  void nothing_goes_again_before_all_that_was_under_way_is_answered() throws Exception {
    say(2);
    Handed first = next();
    Handed second = next();
    first.away();
    assertThat(handed.poll(300, TimeUnit.MILLISECONDS)).isNull();
    second.away();
    assertThat(next().seq()).isEqualTo(5);
    assertThat(next().seq()).isEqualTo(6);
  }

  @Test
  void it_can_be_away_again_and_again() throws Exception {
    say(1);
    for (int i = 0; i < 3; i++) {
      Handed one = next();
      assertThat(one.seq()).isEqualTo(5);
      one.away();
    }
    next().commit();
    log.awaitCommitted();
  }

  @Test
  void a_lost_lease_ends_it_and_frees_whoever_waits() throws Exception {
    say(2);
    var waiting = CompletableFuture.runAsync(log::awaitCommitted);
    next().answer().complete(new Written.LostLease());
    assertThat(broken).containsExactly(new Ending.LeaseLost());
    assertThatThrownBy(() -> waiting.get(10, TimeUnit.SECONDS)).hasCauseInstanceOf(LeaseGone.class);
    say(1);
    next();
    assertThat(handed).isEmpty();
  }

  @Test
  void one_that_cannot_be_written_breaks_it_off_once() throws Exception {
    say(2);
    next().answer().completeExceptionally(new IllegalStateException("no"));
    next().answer().completeExceptionally(new IllegalStateException("no"));
    assertThat(broken).containsExactly(new Ending.LogBroken());
  }

  @Test
  void the_agent_is_held_back_and_goes_on_when_there_is_room() throws Exception {
    CompletableFuture<Void> saying = CompletableFuture.runAsync(() -> say(600));
    List<Integer> seqs = new ArrayList<>();
    for (int i = 0; i < 512; i++) {
      Handed one = next();
      seqs.add(one.seq());
      if (i == 511) {
        assertThat(saying).isNotDone();
        assertThat(handed).isEmpty();
      }
      handed(one);
    }
    for (int i = 512; i < 600; i++) {
      Handed one = next();
      seqs.add(one.seq());
      one.commit();
    }
    saying.get(10, TimeUnit.SECONDS);
    assertThat(seqs).containsExactlyElementsOf(IntStream.rangeClosed(5, 604).boxed().toList());
  }

  private final List<Handed> held = new ArrayList<>();

  /** The first ones are committed only when all of them are there. */
  private void handed(Handed one) {
    held.add(one);
    if (held.size() == 512) {
      held.forEach(Handed::commit);
    }
  }

  private void say(int times) {
    for (int i = 0; i < times; i++) {
      log.append("agent.update", Json.object());
    }
  }

  private Handed next() throws InterruptedException {
    Handed one = handed.poll(10, TimeUnit.SECONDS);
    assertThat(one).isNotNull();
    return one == null ? new Handed(new Write.Next(lease), new CompletableFuture<>()) : one;
  }
}
