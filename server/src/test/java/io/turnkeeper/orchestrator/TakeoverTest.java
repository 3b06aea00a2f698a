package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.Tx;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunCommand;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.tenancy.Tenancy;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ObjectNode;

@DbTest
@Timeout(60)
@Promise(5)
class TakeoverTest {
  private final Db db;
  private final RunQueue queue = new RunQueue();
  private final EventLog events = new EventLog(Duration.ofDays(1));
  private final Agents agents;
  private final OrganizationId organization;
  private final Orchestrator orchestrator;
  private final List<Thread> threads = new CopyOnWriteArrayList<>();
  private final int dead;
  private final int taker;

  /** It is never started, so it asks neither for snapshots nor for workers. */
  @SuppressWarnings("NullAway")
  TakeoverTest(Db db, @TempDir Path data) {
    this.db = db;
    this.agents = new Agents(db);
    this.organization =
        new Tenancy(db, Clock.system())
            .createOrganization("o-" + UUID.randomUUID(), null)
            .organization()
            .id();
    db.useTx(tx -> events.tend(tx, Instant.now()));
    this.orchestrator =
        new Orchestrator(
            new Orchestrator.Capabilities(
                db, new ConversationStore(), queue, events, null, null, agents, news -> {}),
            new Orchestrator.Limits(data, 4, 0),
            Elsewhere.defaults(db, Clock.system()),
            new NoMeters(),
            new Orchestrator.Ways(Clock.system(), this::thread, RunId::next));
    this.dead = replica();
    this.taker = replica();
  }

  private Thread thread(Runnable task) {
    Thread thread = Thread.ofVirtual().unstarted(task);
    threads.add(thread);
    return thread;
  }

  @AfterAll
  void stop() {
    orchestrator.close();
  }

  @Test
  void what_has_said_nothing_goes_back_and_what_has_is_failed_by_default() throws Exception {
    Claimed silent = running("silent", "fail");
    started(silent);
    Claimed speaking = running("speaking", "fail");
    started(speaking);
    say(speaking, 3, "half an ans");
    say(speaking, 4, "wer");
    takeOver();

    Run back = awaitGivenBack(silent);
    assertThat(back.status()).isEqualTo(RunStatus.PENDING);
    assertThat(kinds(silent)).endsWith(Kinds.INTERRUPTED);
    assertThat(writtenBy(silent)).as("put back and given back in one transaction").hasSize(1);
    Run failed = awaitGivenBack(speaking);
    assertThat(failed.status()).isEqualTo(RunStatus.FAILED);
    Event terminal = log(speaking).getLast();
    assertThat(terminal.data().path("error").path("code").asString()).isEqualTo("replica_lost");
    assertThat(terminal.seq()).isEqualTo(5);
    assertThat(terminal.data().path("answer").asString()).isEqualTo("half an answer");
    assertThat(state(silent)).isEqualTo("ready");
    assertThat(state(speaking)).isEqualTo("idle");
  }

  @Test
  void a_run_that_was_granted_and_not_begun_does_not_lose_an_attempt() throws Exception {
    Claimed granted = running("granted", "fail");
    assertThat(granted.run().attempt()).isEqualTo(1);
    takeOver();
    Run back = awaitGivenBack(granted);
    assertThat(back.status()).isEqualTo(RunStatus.PENDING);
    assertThat(back.attempt()).isZero();
  }

  @Test
  void a_run_that_may_be_repeated_is_and_open_tool_calls_are_named() throws Exception {
    Claimed claimed = running("again", "retry");
    started(claimed);
    append(
        claimed,
        3,
        Kinds.UPDATE,
        Json.object()
            .put("sessionUpdate", "tool_call")
            .put("toolCallId", "t1")
            .put("title", "send the mail")
            .put("status", "in_progress"));
    takeOver();
    assertThat(awaitGivenBack(claimed).status()).isEqualTo(RunStatus.PENDING);
    Event last = log(claimed).getLast();
    assertThat(last.kind()).isEqualTo(Kinds.INTERRUPTED);
    assertThat(last.data().path("unknown_tool_calls").toString()).contains("t1");
  }

  @Test
  void a_cancel_that_the_dead_replica_took_is_not_forgotten() throws Exception {
    Claimed claimed = running("cancelled", "retry");
    started(claimed);
    ObjectNode body = Json.object().put("reason", "changed my mind");
    db.useTx(tx -> queue.ask(tx, organization, claimed.run().id(), RunCommand.Kind.CANCEL, body));
    db.useTx(tx ->
        queue.dropCommands(tx, queue.commands(tx, dead).stream().map(RunCommand::id).toList()));
    takeOver();
    Run ended = awaitGivenBack(claimed);
    assertThat(ended.status()).isEqualTo(RunStatus.CANCELLED);
    assertThat(kinds(claimed)).endsWith(Kinds.terminal(RunStatus.CANCELLED));
  }

  @Test
  void a_log_of_any_length_is_read_to_its_end() throws Exception {
    Claimed claimed = running("long", "fail");
    started(claimed);
    LeaseToken lease = claimed.lease();
    List<Append> batch = new ArrayList<>();
    for (int seq = 3; seq <= 2_500; seq++) {
      batch.add(new Append(lease, claimed.run().id(), seq, Kinds.UPDATE, chunk("x")));
    }
    db.useTx(tx -> events.append(tx, dead, batch));
    takeOver();
    assertThat(awaitGivenBack(claimed).status()).isEqualTo(RunStatus.FAILED);
    Event terminal = log(claimed).getLast();
    assertThat(terminal.seq()).isEqualTo(2_501);
    assertThat(terminal.data().path("answer").asString()).hasSize(2_498);
  }

  @Test
  void when_the_taker_dies_too_the_next_one_finds_all_that_is_left() throws Exception {
    Claimed claimed = running("twice", "fail");
    started(claimed);
    say(claimed, 3, "hello");
    Runnable unheard = db.inTx(tx -> orchestrator.takeOver(tx, dead, taker));
    assertThat(unheard).isNotNull();
    int third = replica();
    db.inTx(tx -> orchestrator.takeOver(tx, taker, third)).run();
    assertThat(awaitGivenBack(claimed).status()).isEqualTo(RunStatus.FAILED);
    assertThat(kinds(claimed).stream().filter(kind -> kind.startsWith("run.failed"))).hasSize(1);
  }

  @Test
  void who_reads_up_on_a_replica_that_may_be_gone_changes_nothing() throws Exception {
    Claimed claimed = running("alive", "retry");
    started(claimed);
    say(claimed, 3, "hello");
    List<String> before = writtenBy(claimed);
    orchestrator.mayBeGone(dead);
    Thread reading = threads.getLast();
    assertThat(reading.getName()).isEqualTo("read-up-" + dead);
    reading.join();
    assertThat(writtenBy(claimed)).isEqualTo(before);
    assertThat(state(claimed)).isEqualTo("leased");
    assertThat(log(claimed)).hasSize(3);
    takeOver();
    assertThat(awaitGivenBack(claimed).status()).isEqualTo(RunStatus.PENDING);
  }

  @Test
  void a_write_that_is_repeated_after_an_unknown_outcome_changes_nothing() {
    Claimed claimed = running("repeated", "fail");
    started(claimed);
    say(claimed, 3, "once");
    say(claimed, 3, "once");
    assertThat(log(claimed)).hasSize(3);
  }

  @Test
  void a_takeover_locks_conversations_in_the_order_in_which_everybody_does() throws Exception {
    Claimed first = running("order-1", "fail");
    Claimed second = running("order-2", "fail");
    long one = first.lease().conversation().key();
    long two = second.lease().conversation().key();
    assertThat(one).isLessThan(two);
    // Now it lies behind the other, where a scan finds it last.
    touch(one);
    CompletableFuture<Runnable> takeover =
        db.inTx(tx -> {
          lock(tx, one, "");
          CompletableFuture<Runnable> begun =
              CompletableFuture.supplyAsync(
                  () -> db.inTx(inner -> orchestrator.takeOver(inner, dead, taker)));
          while (waiting(tx) == 0) {
            LockSupport.parkNanos(5_000_000);
          }
          lock(tx, two, "NOWAIT");
          return begun;
        });
    takeover.get(20, TimeUnit.SECONDS).run();
    awaitGivenBack(first);
    awaitGivenBack(second);
  }

  private void touch(long key) {
    for (int version = 0; version < 200; version++) {
      db.useTx(tx ->
          tx.update("UPDATE mailboxes SET changed_at = now() WHERE conversation_key = :key")
              .bind("key", key)
              .execute());
    }
  }

  private static void lock(Tx tx, long key, String how) {
    tx.query("SELECT 1 FROM mailboxes WHERE conversation_key = :key FOR UPDATE " + how)
        .bind("key", key)
        .mapTo(Integer.class)
        .one();
  }

  private static long waiting(Tx tx) {
    return tx.query(
            """
            SELECT count(*) FROM pg_locks
             WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
            """)
        .mapTo(Long.class)
        .one();
  }

  private void takeOver() {
    db.inTx(tx -> orchestrator.takeOver(tx, dead, taker)).run();
  }

  private Claimed running(String conversation, String policy) {
    Agent agent =
        agents
            .add(
                organization,
                Json.object()
                    .put("name", "agent-" + policy)
                    .put("kind", "acp")
                    .put("on_worker_loss", policy)
                    .put("max_attempts", 3)
                    .set("command", Json.array().add("true")))
            .agent();
    Accepted accepted =
        orchestrator
            .conversations()
            .post(
                new NewTurn(
                    organization,
                    agent.name(),
                    conversation,
                    true,
                    NewTurn.Busy.ENQUEUE,
                    Json.object(),
                    Json.object(),
                    Json.object(),
                    0,
                    Duration.ZERO,
                    null,
                    null));
    RunId run = accepted.run();
    return db.inTx(tx -> queue.claim(tx, dead, 100)).taken().stream()
        .filter(claimed -> claimed.run().id().equals(run))
        .findFirst()
        .orElseThrow();
  }

  private void started(Claimed claimed) {
    append(claimed, 1, Kinds.STARTED, Json.object().put("attempt", claimed.run().attempt()));
    append(claimed, 2, Kinds.READY, Json.object().put("restore", "none"));
  }

  private void say(Claimed claimed, int seq, String text) {
    append(claimed, seq, Kinds.UPDATE, chunk(text));
  }

  private static ObjectNode chunk(String text) {
    ObjectNode update = Json.object().put("sessionUpdate", "agent_message_chunk");
    update.set("content", Json.object().put("type", "text").put("text", text));
    return update;
  }

  private void append(Claimed claimed, int seq, String kind, ObjectNode data) {
    Append event = new Append(claimed.lease(), claimed.run().id(), seq, kind, data);
    db.useTx(tx -> events.append(tx, claimed.lease().replica(), List.of(event)));
  }

  private List<Event> log(Claimed claimed) {
    return db.inTx(tx -> events.after(tx, organization, claimed.run().id(), 0, 10_000));
  }

  private List<String> kinds(Claimed claimed) {
    return log(claimed).stream().map(Event::kind).toList();
  }

  /** The transactions that wrote the run and its mailbox last. */
  private List<String> writtenBy(Claimed claimed) {
    return db.inTx(tx ->
        tx.query(
                """
                SELECT DISTINCT w FROM runs r JOIN mailboxes m USING (conversation_key),
                       unnest(ARRAY[r.xmin::text, m.xmin::text]) w
                 WHERE r.id = :run ORDER BY w
                """)
            .bind("run", claimed.run().id().value())
            .mapTo(String.class)
            .list());
  }

  private String state(Claimed claimed) {
    return db.inTx(tx ->
        tx.query("SELECT state FROM mailboxes WHERE conversation_key = :key")
            .bind("key", claimed.lease().conversation().key())
            .mapTo(String.class)
            .one());
  }

  private Run awaitGivenBack(Claimed claimed) {
    while (state(claimed).equals("leased")) {
      LockSupport.parkNanos(10_000_000);
    }
    return db.inTx(tx -> queue.run(tx, organization, claimed.run().id())).orElseThrow();
  }

  private int replica() {
    return db.inTx(tx ->
        tx.query(
                """
                INSERT INTO replicas (host, pid, address, version, max_leases)
                VALUES ('test', 1, 'test', 'test', 10) RETURNING id
                """)
            .mapTo(Integer.class)
            .one());
  }

  private static final class NoMeters implements Meters {
    @Override
    public void runEnded(String status, Duration sinceStart) {}

    @Override
    public void restored(String mode) {}

    @Override
    public void events(int written) {}

    @Override
    public void snapshot(long addedBytes) {}
  }
}
