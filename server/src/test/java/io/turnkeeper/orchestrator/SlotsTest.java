package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.NoErrorsLogged;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.worker.Workers;
import io.turnkeeper.worker.WorkersConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jdbi.v3.core.statement.UnableToExecuteStatementException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * No path leaks a slot: every step of taking a conversation and of giving it back is made to fail
 * once, on a real database, and then no slot is taken and no lease held.
 */
@DbTest
@Timeout(90)
@Promise(2)
class SlotsTest {
  private static final int HEAL_TRIES = 10;
  private static final int CAP = 4;

  private final Db db;
  private final Workers workers;
  private final Agents agents;
  private final OrganizationId organization;
  private final Orchestrator orchestrator;
  private final RunQueue queue = new RunQueue();
  private final EventLog events = new EventLog(Duration.ofDays(1));
  private final Snapshots snapshots;
  private int me;

  SlotsTest(Db db, @TempDir Path data) {
    this.db = db;
    this.agents = new Agents(db);
    this.organization =
        new Tenancy(db, Clock.system())
            .createOrganization("o-" + UUID.randomUUID(), null)
            .organization()
            .id();
    this.workers =
        Workers.open(WorkersConfig.defaults("slots", Duration.ofMinutes(5)), Clock.system());
    this.snapshots = new Snapshots(db, new Snapshots.Limits(1 << 20, 100, 3));
    this.orchestrator =
        new Orchestrator(
            new Orchestrator.Capabilities(
                db, new ConversationStore(), queue, events, snapshots, workers, agents, news -> {}),
            new Orchestrator.Limits(data, CAP, 1 << 30),
            new Quiet(),
            Clock.system());
    orchestrator.start();
    me = replica();
    orchestrator.joined(me);
    agent("echo", "cat");
  }

  @AfterAll
  void stop() throws InterruptedException {
    orchestrator.stop(Duration.ofSeconds(10));
    orchestrator.close();
    workers.close();
  }

  @AfterEach
  void nothing_is_held_in_the_end() {
    await(() -> orchestrator.load().held() == 0 && leased() == 0);
    assertThat(orchestrator.load().running()).isZero();
  }

  @Test
  void a_run_that_goes_well_gives_its_slot_back() {
    assertThat(awaitEnd(post("echo"))).isEqualTo(RunStatus.COMPLETED);
  }

  @Test
  void a_claim_fails() {
    String fault = fault("BEFORE UPDATE", "mailboxes", "NEW.state = 'leased'");
    RunId run = post("echo");
    awaitHit(fault);
    heal(fault);
    assertThat(awaitEnd(run)).isEqualTo(RunStatus.COMPLETED);
  }

  @Test
  void a_claim_fails_at_its_commit() {
    String fault = faultAtCommit("mailboxes", "NEW.state = 'leased'");
    RunId run = post("echo");
    awaitHit(fault);
    heal(fault);
    assertThat(awaitEnd(run)).isEqualTo(RunStatus.COMPLETED);
  }

  @Test
  void the_first_event_cannot_be_written() {
    NoErrorsLogged.expect("session of conversation");
    NoErrorsLogged.expect("cannot be given back yet");
    String fault = fault("BEFORE INSERT", "run_events", "NEW.kind = 'run.started'");
    RunId run = post("echo");
    awaitHit(fault);
    heal(fault);
    assertThat(awaitEnd(run).terminal()).isTrue();
  }

  @Test
  void the_files_cannot_be_restored() {
    NoErrorsLogged.expect("failed in the server");
    db.useTx(tx -> tx.update("ALTER TABLE snapshots RENAME TO away").execute());
    try {
      assertThat(awaitEnd(post("echo"))).isEqualTo(RunStatus.FAILED);
    } finally {
      db.useTx(tx -> tx.update("ALTER TABLE away RENAME TO snapshots").execute());
    }
  }

  @Test
  void the_worker_does_not_start() {
    agent("nowhere", "/no/such/program");
    assertThat(awaitEnd(post("nowhere"))).isEqualTo(RunStatus.FAILED);
  }

  @Test
  void the_end_cannot_be_written() {
    NoErrorsLogged.expect("session of conversation");
    NoErrorsLogged.expect("cannot be given back yet");
    String fault = fault("BEFORE UPDATE", "runs", "NEW.status = 'completed'");
    RunId run = post("echo");
    awaitHit(fault);
    heal(fault);
    assertThat(awaitEnd(run).terminal()).isTrue();
  }

  @Test
  void the_lease_cannot_be_given_back() {
    NoErrorsLogged.expect("session of conversation");
    NoErrorsLogged.expect("cannot be given back yet");
    String fault =
        fault("BEFORE UPDATE", "mailboxes", "OLD.state = 'leased' AND NEW.state <> 'leased'");
    RunId run = post("echo");
    assertThat(awaitEnd(run)).isEqualTo(RunStatus.COMPLETED);
    awaitHit(fault);
    heal(fault);
  }

  @Test
  @Promise(9)
  void over_the_cap_work_waits_and_none_of_it_fails() {
    agent("slow", "sleep", "0.3");
    List<RunId> runs = new ArrayList<>();
    for (int i = 0; i < 3 * CAP; i++) {
      runs.add(post("slow"));
    }
    await(() -> orchestrator.load().held() == CAP);
    for (RunId run : runs) {
      assertThat(orchestrator.load().held()).isLessThanOrEqualTo(CAP);
      assertThat(awaitEnd(run)).isEqualTo(RunStatus.COMPLETED);
    }
  }

  @Test
  void a_drained_replica_takes_nothing_until_it_may_again() {
    orchestrator.cap(0);
    RunId run = post("echo");
    assertThat(orchestrator.load().held()).isZero();
    assertThat(status(run)).isEqualTo(RunStatus.PENDING);
    orchestrator.cap(CAP);
    assertThat(awaitEnd(run)).isEqualTo(RunStatus.COMPLETED);
  }

  @Test
  void a_thread_cannot_be_made() {
    NoErrorsLogged.expect("cannot be served here now");
    orchestrator.cap(0);
    RunId run = post("echo");
    TurnWriter writer = new TurnWriter(db, queue, events, snapshots, key -> {}, count -> {});
    Tools tools = withoutTheFirstThread(writer);
    Admission admission = new Admission(CAP);
    Dispatcher dispatcher =
        new Dispatcher(tools, admission, new Remains(tools, () -> {}), () -> {});
    int id = replica();
    dispatcher.serve(id);
    dispatcher.tick(id);
    assertThat(admission.held()).isZero();
    assertThat(dispatcher.sessions()).isZero();
    await(() -> status(run) == RunStatus.PENDING);
    writer.close();
    orchestrator.cap(CAP);
    assertThat(awaitEnd(run)).isEqualTo(RunStatus.COMPLETED);
  }

  @Test
  void what_is_claimed_by_a_statement_that_ends_after_the_fence_is_not_started() {
    int old = me;
    int next = replica();
    orchestrator.cap(0);
    RunId late = post("echo");
    db.useTx(tx -> {
      tx.query("SELECT id FROM replicas WHERE id = :id FOR UPDATE")
          .bind("id", old)
          .mapTo(Integer.class)
          .one();
      orchestrator.cap(CAP);
      await(() ->
          tx.query(
                      """
                      SELECT count(*) FROM pg_locks
                       WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
                      """)
                  .mapTo(Long.class)
                  .one()
              > 0);
      orchestrator.fenced();
      orchestrator.joined(next);
      me = next;
    });
    // The claims of one replica follow each other: when this one has run, the late one was seen.
    assertThat(awaitEnd(post("echo"))).isEqualTo(RunStatus.COMPLETED);
    assertThat(status(late)).isEqualTo(RunStatus.RUNNING);
    int written = db.inTx(tx -> events.lastSeq(tx, organization, late));
    assertThat(written).isZero();
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id").bind("id", old).execute());
    db.inTx(tx -> orchestrator.takeOver(tx, old, next)).run();
    assertThat(awaitEnd(late)).isEqualTo(RunStatus.COMPLETED);
  }

  private Tools withoutTheFirstThread(TurnWriter writer) {
    Elsewhere elsewhere = Elsewhere.defaults(db, Clock.system());
    AtomicInteger made = new AtomicInteger();
    return new Tools(
        db,
        queue,
        events,
        snapshots,
        workers,
        agents,
        writer,
        new RemoteDesk(
            new RemoteDesk.Parts(db, queue, agents, elsewhere), news -> {}, Clock.system()),
        new Passes(elsewhere.tokens(), elsewhere.url()),
        new Quiet(),
        new AtomicBoolean(),
        new AtomicBoolean(),
        () -> {},
        Path.of("nowhere"),
        RunId::next,
        task -> {
          if (made.getAndIncrement() == 0) {
            throw new IllegalStateException("no more threads");
          }
          return Thread.ofVirtual().unstarted(task);
        },
        Clock.system());
  }

  private void agent(String name, String... command) {
    ObjectNode body = Json.object().put("name", name).put("kind", "command");
    ArrayNode words = body.putArray("command");
    for (String word : command) {
      words.add(word);
    }
    agents.add(organization, body);
  }

  private RunId post(String agent) {
    ObjectNode input = Json.object();
    input.putArray("messages").addObject().put("role", "user").put("content", "hi");
    return orchestrator
        .conversations()
        .post(
            new NewTurn(
                organization,
                agent,
                UUID.randomUUID().toString(),
                true,
                NewTurn.Busy.ENQUEUE,
                input,
                Json.object(),
                Json.object(),
                0,
                Duration.ZERO,
                null,
                null))
        .run();
  }

  private RunStatus status(RunId run) {
    return db.inTx(tx -> queue.run(tx, organization, run)).orElseThrow().status();
  }

  private RunStatus awaitEnd(RunId run) {
    await(() -> status(run).terminal());
    return status(run);
  }

  private static void await(BooleanSupplier condition) {
    long until = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("deadline").isLessThan(until);
      LockSupport.parkNanos(20_000_000);
    }
  }

  private long leased() {
    return db.inTx(tx ->
        tx.query("SELECT count(*) FROM mailboxes WHERE state = 'leased'").mapTo(Long.class).one());
  }

  /** From now on each such change fails; how often is counted, also by those that roll back. */
  private String fault(String when, String table, String condition) {
    String name = function();
    db.useTx(tx ->
        tx.update(
                "CREATE TRIGGER %s %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()"
                    .formatted(name, when, table, condition, name))
            .execute());
    return name;
  }

  private String faultAtCommit(String table, String condition) {
    String name = function();
    db.useTx(tx ->
        tx.update(
                """
                CREATE CONSTRAINT TRIGGER %s AFTER UPDATE ON %s DEFERRABLE INITIALLY DEFERRED
                  FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()
                """
                    .formatted(name, table, condition, name))
            .execute());
    return name;
  }

  private String function() {
    String name = "fault_" + UUID.randomUUID().toString().replace("-", "");
    db.useTx(tx -> {
      tx.update("CREATE SEQUENCE " + name).execute();
      tx.update(
              """
              CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN
                PERFORM nextval('%s');
                RAISE EXCEPTION 'a fault of this test';
              END $$
              """
                  .formatted(name, name))
          .execute();
    });
    return name;
  }

  private void awaitHit(String fault) {
    await(
        () -> db.inTx(tx -> tx.query("SELECT is_called FROM " + fault).mapTo(Boolean.class).one()));
  }

  /** Whoever reads the log locks its partitions in another order: who loses to that comes again. */
  private void heal(String fault) {
    for (int tries = 1; ; tries++) {
      try {
        db.useTx(tx -> tx.update("DROP FUNCTION " + fault + "() CASCADE").execute());
        return;
      } catch (UnableToExecuteStatementException deadlock) {
        if (tries == HEAL_TRIES) {
          throw deadlock;
        }
      }
    }
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

  private static final class Quiet implements Meters {
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
