package io.turnkeeper.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.turnkeeper.Promise;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.NewRun.Idempotency;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.node.ObjectNode;

@DbTest
class RunQueueTest {
  private static final ObjectNode ERROR = Json.object().put("code", "x").put("message", "y");

  private final Db db;
  private final RunQueue queue = new RunQueue();
  private OrganizationId organization = new OrganizationId(UUID.randomUUID());
  private AgentId agent = new AgentId(UUID.randomUUID());
  private int replica;

  RunQueueTest(Db db) {
    this.db = db;
  }

  @BeforeEach
  void start() {
    organization = organization("acme-" + UUID.randomUUID());
    agent = agent(organization);
    replica = replica();
    clear();
  }

  @Test
  @Promise(3)
  void turns_are_numbered_in_the_order_of_acceptance_also_within_one_batch() {
    Conversation one = conversation("one");
    Conversation two = conversation("two");
    List<Enqueued> answers =
        db.inTx(tx -> queue.enqueue(tx, List.of(run(one), run(two), run(one), run(one))));
    assertThat(turns(answers)).containsExactly(1L, 1L, 2L, 3L);
    assertThat(turns(things(tx -> queue.enqueue(tx, List.of(run(one)))))).containsExactly(4L);
  }

  @Test
  @Promise(3)
  void a_claim_takes_one_run_of_each_conversation_and_the_oldest_first() {
    Conversation one = conversation("one");
    RunId first = enqueue(run(one));
    enqueue(run(one));
    List<Claimed> claimed = claim(10);
    assertThat(claimed).hasSize(1);
    assertThat(claimed.getFirst().run().id()).isEqualTo(first);
    assertThat(claimed.getFirst().run().status()).isEqualTo(RunStatus.RUNNING);
    assertThat(claimed.getFirst().run().attempt()).isEqualTo(1);
    assertThat(claim(10)).isEmpty();
  }

  @Test
  @Promise(1)
  void epochs_only_grow_and_a_stale_one_can_do_nothing() {
    Conversation one = conversation("one");
    enqueue(run(one));
    Claimed stale = claim(1).getFirst();
    db.inTx(
        tx -> queue.requeue(tx, stale.lease(), stale.run().id(), new Again(Duration.ZERO, true)));
    db.inTx(tx -> queue.release(tx, replica, List.of(stale.lease())));
    Claimed fresh = claim(1).getFirst();
    assertThat(fresh.lease().epoch()).isEqualTo(stale.lease().epoch() + 1);
    assertThat(fresh.run().attempt()).isEqualTo(2);

    assertThat(things(tx -> queue.lock(tx, replica, List.of(stale.lease())))).isEmpty();
    assertThat(settle(stale.lease(), stale.run().id(), RunStatus.COMPLETED)).isEmpty();
    assertThat(
            truth(tx ->
                queue.requeue(tx, stale.lease(), stale.run().id(), new Again(Duration.ZERO, true))))
        .isFalse();
    assertThat(truth(tx -> queue.setWaiting(tx, stale.lease(), stale.run().id(), true))).isFalse();
    assertThat(things(tx -> queue.startNext(tx, replica, List.of(stale.lease())).runs().keySet()))
        .isEmpty();
    db.inTx(tx -> queue.release(tx, replica, List.of(stale.lease())));
    assertThat(things(tx -> queue.lock(tx, replica, List.of(fresh.lease()))))
        .containsExactly(fresh.lease());
  }

  @Test
  @Promise(1)
  void a_replica_marked_dead_can_write_nothing() {
    enqueue(run(conversation("one")));
    Claimed claimed = claim(1).getFirst();
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id")
            .bind("id", replica)
            .execute());
    assertThat(things(tx -> queue.lock(tx, replica, List.of(claimed.lease())))).isEmpty();
    enqueue(run(conversation("two")));
    assertThat(claim(5)).isEmpty();
  }

  @Test
  @Promise(2)
  void only_one_caller_gets_to_end_a_run() {
    enqueue(run(conversation("one")));
    Claimed claimed = claim(1).getFirst();
    assertThat(settle(claimed.lease(), claimed.run().id(), RunStatus.COMPLETED))
        .containsExactly(claimed.run().id());
    assertThat(settle(claimed.lease(), claimed.run().id(), RunStatus.FAILED)).isEmpty();
    assertThat(find(claimed.run().id()).status()).isEqualTo(RunStatus.COMPLETED);
  }

  @Test
  void the_holder_starts_what_comes_next_without_a_new_claim() {
    Conversation one = conversation("one");
    enqueue(run(one));
    RunId second = enqueue(run(one));
    Claimed claimed = claim(1).getFirst();
    settle(claimed.lease(), claimed.run().id(), RunStatus.COMPLETED);
    Map<LeaseToken, Run> next =
        db.inTx(tx -> queue.startNext(tx, replica, List.of(claimed.lease())).runs());
    assertThat(next.get(claimed.lease())).isNotNull();
    assertThat(next.values().iterator().next().id()).isEqualTo(second);
    assertThat(things(tx -> queue.startNext(tx, replica, List.of(claimed.lease())).runs().keySet()))
        .isEmpty();
  }

  @Test
  void a_released_conversation_is_idle_or_ready_by_what_is_queued() {
    Conversation one = conversation("one");
    enqueue(run(one));
    Claimed claimed = claim(1).getFirst();
    settle(claimed.lease(), claimed.run().id(), RunStatus.COMPLETED);
    enqueue(run(one));
    assertThat(truth(tx -> queue.release(tx, replica, List.of(claimed.lease())))).isTrue();
    Claimed again = claim(1).getFirst();
    settle(again.lease(), again.run().id(), RunStatus.COMPLETED);
    assertThat(truth(tx -> queue.release(tx, replica, List.of(again.lease())))).isFalse();
    assertThat(state(one)).isEqualTo("idle");
  }

  @Test
  @Promise(3)
  void a_delayed_run_is_not_ready_until_its_time_and_holds_its_conversation() {
    Conversation one = conversation("one");
    RunId delayed = enqueue(run(one, builder -> builder.delay = Duration.ofHours(1)));
    RunId behind = enqueue(run(one));
    assertThat(claim(5)).isEmpty();
    assertThat(state(one)).isEqualTo("delayed");
    assertThat(why(delayed)).isInstanceOf(Why.Delayed.class);
    assertThat(why(behind)).isEqualTo(new Why.BehindRun(delayed, RunStatus.PENDING, 1));
    db.useTx(tx -> tx.update("UPDATE mailboxes SET ready_at = now() - interval '1 s'").execute());
    assertThat(number(tx -> queue.promoteDelayed(tx, 10))).isEqualTo(1);
    assertThat(claim(5)).hasSize(1);
  }

  @Test
  void a_run_that_backs_off_is_not_ready_until_its_time_and_says_so() {
    Conversation one = conversation("one");
    RunId lost = enqueue(run(one));
    RunId behind = enqueue(run(one));
    Claimed first = claim(1).getFirst();
    assertThat(
            truth(
                tx -> queue.requeue(tx, first.lease(), lost, new Again(Duration.ofHours(1), true))))
        .isTrue();
    assertThat(things(tx -> queue.startNext(tx, replica, List.of(first.lease())).blocked()))
        .containsExactly(first.lease());
    assertThat(truth(tx -> queue.release(tx, replica, List.of(first.lease())))).isFalse();

    assertThat(state(one)).isEqualTo("delayed");
    assertThat(claim(5)).isEmpty();
    assertThat(why(lost))
        .isInstanceOfSatisfying(
            Why.Delayed.class,
            delayed -> {
              assertThat(delayed.backingOff()).isTrue();
              assertThat(delayed.until())
                  .isCloseTo(
                      Instant.now().plus(Duration.ofHours(1)), within(1, ChronoUnit.MINUTES));
            });
    assertThat(why(behind)).isEqualTo(new Why.BehindRun(lost, RunStatus.PENDING, 1));
    assertThat(number(tx -> queue.promoteDelayed(tx, 10))).as("too early").isZero();

    db.useTx(tx -> tx.update("UPDATE mailboxes SET ready_at = now() - interval '1 s'").execute());
    assertThat(number(tx -> queue.promoteDelayed(tx, 10))).isEqualTo(1);
    assertThat(state(one)).isEqualTo("ready");
    Claimed again = claim(5).getFirst();
    assertThat(again.run().id()).isEqualTo(lost);
    assertThat(again.run().attempt()).isEqualTo(2);
  }

  @Test
  void cancelling_a_delayed_head_lets_the_next_one_through() {
    Conversation one = conversation("one");
    RunId delayed = enqueue(run(one, builder -> builder.delay = Duration.ofHours(1)));
    RunId behind = enqueue(run(one));
    assertThat(things(tx -> queue.endPending(tx, List.of(delayed), RunStatus.CANCELLED, ERROR)))
        .hasSize(1);
    assertThat(claim(5).getFirst().run().id()).isEqualTo(behind);
  }

  @Test
  void cancelling_the_last_pending_run_makes_the_conversation_idle() {
    Conversation one = conversation("one");
    RunId only = enqueue(run(one));
    db.inTx(tx -> queue.endPending(tx, List.of(only), RunStatus.CANCELLED, ERROR));
    assertThat(state(one)).isEqualTo("idle");
    assertThat(claim(5)).isEmpty();
    assertThat(find(only).status()).isEqualTo(RunStatus.CANCELLED);
  }

  @Test
  void a_run_under_way_is_not_ended_as_pending() {
    RunId only = enqueue(run(conversation("one")));
    claim(1);
    assertThat(things(tx -> queue.endPending(tx, List.of(only), RunStatus.CANCELLED, ERROR)))
        .isEmpty();
  }

  @Test
  void a_run_that_expires_before_it_starts_times_out() {
    RunId late = enqueue(run(conversation("one"), b -> b.expiry = Duration.ZERO));
    assertThat(things(tx -> queue.expire(tx, 10, ERROR))).hasSize(1);
    assertThat(find(late).status()).isEqualTo(RunStatus.TIMEOUT);
  }

  @Test
  void an_agents_cap_is_held_and_lifts_when_a_run_ends() {
    cap(2);
    for (int i = 0; i < 5; i++) {
      enqueue(run(conversation("c" + i)));
    }
    List<Claimed> claimed = claim(10);
    assertThat(claimed).hasSize(2);
    assertThat(claim(10)).isEmpty();
    RunId held =
        db.inTx(tx -> queue.search(tx, organization, all(RunStatus.PENDING))).getFirst().id();
    assertThat(why(held)).isEqualTo(new Why.Capped("agent", 2, 2));
    assertThat(number(tx -> queue.liftHeld(tx, 100).moved())).isZero();

    Claimed done = claimed.getFirst();
    settle(done.lease(), done.run().id(), RunStatus.COMPLETED);
    assertThat(number(tx -> queue.liftHeld(tx, 100).moved())).isEqualTo(1);
    assertThat(claim(10)).hasSize(1);
  }

  @Test
  void an_organizations_cap_is_held_by_concurrent_claims() throws Exception {
    db.useTx(tx ->
        tx.update("UPDATE organizations SET max_running = 3 WHERE id = :id")
            .bind("id", organization.value())
            .execute());
    for (int i = 0; i < 40; i++) {
      enqueue(run(conversation("c" + i)));
    }
    List<Future<Integer>> claims = new ArrayList<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 4; i++) {
        claims.add(threads.submit(() -> claim(10).size()));
      }
    }
    int total = 0;
    for (Future<Integer> claim : claims) {
      total += claim.get();
    }
    assertThat(total).isEqualTo(3);
  }

  @Test
  void under_a_cap_a_conversation_with_more_to_do_stands_aside_for_those_that_wait() {
    cap(1);
    Conversation busy = conversation("busy");
    Conversation other = conversation("other");
    enqueue(run(busy));
    enqueue(run(busy));
    RunId waits = enqueue(run(other));
    Claimed first = claim(5).getFirst();
    assertThat(first.run().conversation()).isEqualTo(busy);
    settle(first.lease(), first.run().id(), RunStatus.COMPLETED);
    Started started = db.inTx(tx -> queue.startNext(tx, replica, List.of(first.lease())));
    assertThat(started.runs()).isEmpty();
    assertThat(started.blocked()).containsExactly(first.lease());
    db.inTx(tx -> queue.release(tx, replica, List.of(first.lease())));
    assertThat(claim(5)).as("the cap has room, but another has waited longer").isEmpty();
    assertThat(number(tx -> queue.liftHeld(tx, 100).moved())).isEqualTo(1);
    assertThat(claim(5).getFirst().run().id()).isEqualTo(waits);
  }

  @Test
  void a_lease_with_a_run_that_may_not_start_yet_is_to_be_given_back() {
    Conversation one = conversation("one");
    enqueue(run(one));
    Claimed claimed = claim(1).getFirst();
    enqueue(run(one, builder -> builder.delay = Duration.ofHours(1)));
    settle(claimed.lease(), claimed.run().id(), RunStatus.COMPLETED);
    assertThat(things(tx -> queue.startNext(tx, replica, List.of(claimed.lease())).blocked()))
        .containsExactly(claimed.lease());
    db.inTx(tx -> queue.release(tx, replica, List.of(claimed.lease())));
    assertThat(state(one)).isEqualTo("delayed");
  }

  @Test
  void a_backlog_that_may_not_start_is_passed_within_a_few_claims_and_only_once() {
    cap(0);
    List<NewRun> flood = new ArrayList<>();
    for (int i = 0; i < 2_500; i++) {
      flood.add(run(conversation("f" + i), builder -> builder.priority = 9));
    }
    db.inTx(tx -> queue.enqueue(tx, flood));
    OrganizationId small = organization("small-" + UUID.randomUUID());
    RunId single = enqueue(run(conversation(small, agent(small), "only")));
    int claims = 0;
    boolean found = false;
    Claims answer = new Claims(List.of(), true, false);
    while (answer.again() && !found) {
      answer = db.inTx(tx -> queue.claim(tx, replica, 2));
      found = answer.taken().stream().anyMatch(claimed -> claimed.run().id().equals(single));
      claims++;
    }
    assertThat(found).isTrue();
    assertThat(claims).isLessThanOrEqualTo(4);
    assertThat(things(tx -> queue.claim(tx, replica, 2).taken())).isEmpty();
  }

  @Test
  void a_paused_agent_starts_nothing_until_it_is_resumed() {
    pauseAgent(true);
    RunId held = enqueue(run(conversation("one")));
    assertThat(claim(5)).isEmpty();
    assertThat(why(held)).isInstanceOf(Why.Paused.class);
    assertThat(number(tx -> queue.liftHeld(tx, 100).moved())).isZero();
    pauseAgent(false);
    assertThat(number(tx -> queue.liftHeld(tx, 100).moved())).isEqualTo(1);
    assertThat(claim(5)).hasSize(1);
  }

  @Test
  void a_paused_conversation_starts_nothing_until_it_is_resumed() {
    Conversation one = conversation("one");
    RunId held = enqueue(run(one));
    assertThat(truth(tx -> queue.pause(tx, one, "ops"))).isTrue();
    assertThat(claim(5)).isEmpty();
    assertThat(why(held))
        .isInstanceOfSatisfying(
            Why.Paused.class,
            paused -> {
              assertThat(paused.what()).isEqualTo("conversation");
              assertThat(paused.by()).isEqualTo("ops");
              assertThat(paused.since()).isNotNull();
            });
    assertThat(number(tx -> queue.liftHeld(tx, 100).moved())).isZero();
    assertThat(truth(tx -> queue.resume(tx, one))).isTrue();
    assertThat(claim(5)).hasSize(1);
  }

  @Test
  void a_repeated_key_is_the_same_run_and_another_request_under_it_is_refused() {
    Conversation one = conversation("one");
    NewRun keyed = run(one, b -> b.idempotency = new Idempotency("k", new byte[] {1}));
    NewRun same = run(one, b -> b.idempotency = new Idempotency("k", new byte[] {1}));
    NewRun other = run(one, b -> b.idempotency = new Idempotency("k", new byte[] {2}));
    List<Enqueued> batch = db.inTx(tx -> queue.enqueue(tx, List.of(keyed, same, other)));
    assertThat(batch.get(0)).isInstanceOf(Enqueued.Accepted.class);
    assertThat(batch.get(1)).isEqualTo(new Enqueued.Replayed(keyed.id()));
    assertThat(batch.get(2)).isInstanceOf(Enqueued.KeyReused.class);
    assertThat(things(tx -> queue.enqueue(tx, List.of(same, other))))
        .containsExactly(new Enqueued.Replayed(keyed.id()), new Enqueued.KeyReused());
  }

  @Test
  void a_run_for_an_idle_conversation_only_is_refused_when_it_is_busy() {
    Conversation one = conversation("one");
    NewRun first = run(one, b -> b.onlyWhenIdle = true);
    NewRun second = run(one, b -> b.onlyWhenIdle = true);
    assertThat(things(tx -> queue.enqueue(tx, List.of(first, second))).get(1))
        .isInstanceOf(Enqueued.Busy.class);
    NewRun third = run(one, b -> b.onlyWhenIdle = true);
    assertThat(things(tx -> queue.enqueue(tx, List.of(third))).getFirst())
        .isInstanceOf(Enqueued.Busy.class);
  }

  @Test
  @Promise(1)
  void a_takeover_raises_every_epoch_and_hands_over_what_was_under_way() {
    Conversation busy = conversation("busy");
    Conversation idle = conversation("idle");
    enqueue(run(busy));
    enqueue(run(idle));
    List<Claimed> claimed = claim(2);
    Claimed done =
        claimed.stream().filter(c -> c.run().conversation().equals(idle)).findFirst().orElseThrow();
    settle(done.lease(), done.run().id(), RunStatus.COMPLETED);
    int taker = replica();
    Map<LeaseToken, @Nullable Run> taken =
        db.inTx(tx -> {
          tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id")
              .bind("id", replica)
              .execute();
          return queue.takeOver(tx, replica, taker);
        });
    assertThat(taken).hasSize(2);
    taken.forEach((lease, run) -> {
      assertThat(lease.replica()).isEqualTo(taker);
      assertThat(lease.epoch()).isEqualTo(2);
      assertThat(run != null).isEqualTo(lease.conversation().equals(busy));
    });
    assertThat(things(tx -> queue.lock(tx, taker, List.copyOf(taken.keySet())))).hasSize(2);
    db.inTx(tx -> queue.release(tx, taker, List.copyOf(taken.keySet())));
  }

  @Test
  void a_tenant_with_a_thousand_waiting_conversations_lets_another_ones_single_one_through() {
    OrganizationId small = organization("small-" + UUID.randomUUID());
    List<NewRun> flood = new ArrayList<>();
    for (int i = 0; i < 1_000; i++) {
      flood.add(run(conversation("f" + i)));
    }
    db.inTx(tx -> queue.enqueue(tx, flood));
    claim(10);
    AgentId smallAgent = agent(small);
    RunId single = enqueue(run(conversation(small, smallAgent, "only")));
    assertThat(claim(2)).anyMatch(claimed -> claimed.run().id().equals(single));
  }

  @Test
  void what_is_asked_of_a_run_reaches_its_holder_until_it_is_dropped_and_goes_with_the_run() {
    RunId id = enqueue(run(conversation("one")));
    ObjectNode body = Json.object().put("reason", "enough");
    assertThat(truth(tx -> queue.ask(tx, organization, id, RunCommand.Kind.CANCEL, body)))
        .isFalse();
    Claimed claimed = claim(1).getFirst();
    assertThat(truth(tx -> queue.ask(tx, organization, id, RunCommand.Kind.CANCEL, body))).isTrue();
    List<RunCommand> asked = db.inTx(tx -> queue.commands(tx, replica));
    assertThat(asked).hasSize(1);
    assertThat(things(tx -> queue.commands(tx, replica)))
        .as("until it is dropped")
        .isEqualTo(asked);
    db.useTx(tx -> queue.dropCommands(tx, asked.stream().map(RunCommand::id).toList()));
    assertThat(things(tx -> queue.commands(tx, replica))).isEmpty();
    db.inTx(tx -> queue.ask(tx, organization, id, RunCommand.Kind.CANCEL, body));
    settle(claimed.lease(), id, RunStatus.CANCELLED);
    assertThat(things(tx -> queue.commands(tx, replica))).isEmpty();
  }

  @Test
  void higher_priority_goes_first_between_conversations() {
    RunId low = enqueue(run(conversation("low")));
    RunId high = enqueue(run(conversation("high"), b -> b.priority = 5));
    assertThat(claim(1).getFirst().run().id()).isEqualTo(high);
    assertThat(claim(1).getFirst().run().id()).isEqualTo(low);
  }

  @Test
  void why_says_who_holds_it_and_since_when_this_attempt_runs() {
    Conversation one = conversation("one");
    RunId first = enqueue(run(one));
    RunId second = enqueue(run(one));
    Claimed claimed = claim(1).getFirst();
    settle(claimed.lease(), first, RunStatus.COMPLETED);
    assertThat(why(second))
        .isInstanceOfSatisfying(
            Why.Held.class, held -> assertThat(held.replica()).isEqualTo(replica));
    things(tx -> queue.startNext(tx, replica, List.of(claimed.lease())).runs().keySet());
    db.inTx(tx -> queue.requeue(tx, claimed.lease(), second, new Again(Duration.ZERO, true)));
    Instant before = db.inTx(tx -> tx.query("SELECT clock_timestamp()").mapTo(Instant.class).one());
    things(tx -> queue.startNext(tx, replica, List.of(claimed.lease())).runs().keySet());
    assertThat(why(second))
        .isInstanceOfSatisfying(
            Why.Running.class, running -> assertThat(running.since()).isAfterOrEqualTo(before));
  }

  @Test
  void why_names_the_organization_when_that_is_paused_or_full() {
    set("UPDATE organizations SET max_running = 1 WHERE id = :id");
    enqueue(run(conversation("one")));
    RunId second = enqueue(run(conversation("two")));
    assertThat(claim(5)).hasSize(1);
    assertThat(claim(5)).isEmpty();
    assertThat(why(second)).isEqualTo(new Why.Capped("organization", 1, 1));
    set("UPDATE organizations SET paused_at = now(), paused_by = 'ops' WHERE id = :id");
    assertThat(why(second))
        .isInstanceOfSatisfying(
            Why.Paused.class, paused -> assertThat(paused.what()).isEqualTo("organization"));
  }

  private void set(String sql) {
    db.useTx(tx -> tx.update(sql).bind("id", organization.value()).execute());
  }

  @Test
  void why_says_who_runs_it_and_that_it_has_ended() {
    RunId id = enqueue(run(conversation("one")));
    assertThat(why(id)).isInstanceOf(Why.WaitingForSlot.class);
    Claimed claimed = claim(1).getFirst();
    assertThat(why(id)).isInstanceOf(Why.Running.class);
    settle(claimed.lease(), id, RunStatus.COMPLETED);
    assertThat(why(id)).isInstanceOf(Why.Ended.class);
    OrganizationId other = organization("other-" + UUID.randomUUID());
    assertThat(things(tx -> queue.why(tx, other, id).stream().toList())).isEmpty();
    assertThat(things(tx -> queue.run(tx, other, id).stream().toList())).isEmpty();
  }

  private boolean truth(Function<Tx, Boolean> work) {
    return db.inTx(work);
  }

  private int number(Function<Tx, Integer> work) {
    return db.inTx(work);
  }

  private <T> List<T> things(Function<Tx, ? extends Collection<T>> work) {
    return List.copyOf(db.inTx(work));
  }

  private static final class Builder {
    private Duration delay = Duration.ZERO;
    private @Nullable Duration expiry;
    private int priority;
    private boolean onlyWhenIdle;
    private @Nullable Idempotency idempotency;
  }

  private NewRun run(Conversation conversation) {
    return run(conversation, builder -> {});
  }

  private NewRun run(Conversation conversation, java.util.function.Consumer<Builder> change) {
    Builder b = new Builder();
    change.accept(b);
    return new NewRun(
        RunId.next(),
        conversation,
        Json.object(),
        Json.object(),
        Json.object(),
        b.priority,
        b.delay,
        b.expiry,
        3,
        b.onlyWhenIdle,
        b.idempotency);
  }

  private RunId enqueue(NewRun run) {
    db.inTx(tx -> queue.enqueue(tx, List.of(run)));
    return run.id();
  }

  private List<Claimed> claim(int slots) {
    return db.inTx(tx -> queue.claim(tx, replica, slots).taken());
  }

  private Set<RunId> settle(LeaseToken lease, RunId run, RunStatus status) {
    return db.inTx(tx ->
        queue.settle(tx, replica, List.of(new Settlement(lease, run, status, Json.array(), null))));
  }

  private Run find(RunId run) {
    return db.inTx(tx -> queue.run(tx, organization, run)).orElseThrow();
  }

  private Why why(RunId run) {
    Optional<Why> why = db.inTx(tx -> queue.why(tx, organization, run));
    return why.orElseThrow();
  }

  private static RunQuery all(RunStatus status) {
    return new RunQuery(status, null, null, null, 100);
  }

  private static List<Long> turns(List<Enqueued> answers) {
    return answers.stream().map(answer -> ((Enqueued.Accepted) answer).turn()).toList();
  }

  private void clear() {
    db.useTx(tx ->
        tx.update("DELETE FROM mailboxes WHERE organization_id <> :organization")
            .bind("organization", organization.value())
            .execute());
  }

  private String state(Conversation conversation) {
    return db.inTx(tx ->
        tx.query("SELECT state FROM mailboxes WHERE conversation_key = :key")
            .bind("key", conversation.key())
            .mapTo(String.class)
            .one());
  }

  private void cap(int max) {
    db.useTx(tx ->
        tx.update("UPDATE agents SET max_running = :max WHERE id = :id")
            .bind("max", max)
            .bind("id", agent.value())
            .execute());
  }

  private void pauseAgent(boolean paused) {
    db.useTx(tx ->
        tx.update(
                "UPDATE agents SET paused_at = CASE WHEN :paused THEN now() END,"
                    + " paused_by = CASE WHEN :paused THEN 'ops' END WHERE id = :id")
            .bind("paused", paused)
            .bind("id", agent.value())
            .execute());
  }

  private OrganizationId organization(String name) {
    UUID id = UUID.randomUUID();
    db.useTx(tx ->
        tx.update("INSERT INTO organizations (id, name) VALUES (:id, :name)")
            .bind("id", id)
            .bind("name", name)
            .execute());
    return new OrganizationId(id);
  }

  private AgentId agent(OrganizationId of) {
    UUID id = UUID.randomUUID();
    db.useTx(tx ->
        tx.update(
                "INSERT INTO agents (id, organization_id, name, version)"
                    + " VALUES (:id, :organization, 'a', 1)")
            .bind("id", id)
            .bind("organization", of.value())
            .execute());
    return new AgentId(id);
  }

  private Conversation conversation(String id) {
    return conversation(organization, agent, id);
  }

  private Conversation conversation(OrganizationId of, AgentId with, String id) {
    long key =
        db.inTx(tx ->
            tx.query(
                    "INSERT INTO conversations (organization_id, agent_id, id)"
                        + " VALUES (:organization, :agent, :id) RETURNING key")
                .bind("organization", of.value())
                .bind("agent", with.value())
                .bind("id", id)
                .mapTo(Long.class)
                .one());
    return new Conversation(of, with, key, id);
  }

  private int replica() {
    return db.inTx(tx ->
        tx.query(
                "INSERT INTO replicas (host, pid, address, version, max_leases)"
                    + " VALUES ('h', 1, 'a', 'v', 10) RETURNING id")
            .mapTo(Integer.class)
            .one());
  }
}
