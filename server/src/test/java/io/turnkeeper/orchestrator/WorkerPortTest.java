package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Why;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.remote.Taken;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.tokens.RunScope;
import io.turnkeeper.tokens.RunTokens;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What a worker from elsewhere may do, decided in the database at each use. */
@DbTest
@Timeout(60)
class WorkerPortTest {
  private static final Duration DEADLINE = Duration.ofSeconds(30);

  private final Db db;
  private final RunQueue queue = new RunQueue();
  private final EventLog events = new EventLog(Duration.ofDays(1));
  private final RemoteWork work = new RemoteWork();
  private final RunTokens tokens;
  private final Tenancy tenancy;
  private final Agents agents;
  private final OrganizationId organization;
  private final Orchestrator orchestrator;
  private final WorkerPort port;
  private final int holder;

  /** It is never started: the tests are the holder. */
  @SuppressWarnings("NullAway")
  WorkerPortTest(Db db, @TempDir Path data) {
    this.db = db;
    this.agents = new Agents(db);
    this.tenancy = new Tenancy(db, Clock.system());
    this.organization =
        tenancy.createOrganization("o-" + UUID.randomUUID(), null).organization().id();
    this.tokens =
        new RunTokens(
            db, new RunTokens.Limits(Duration.ofMinutes(15), Duration.ofDays(1)), Clock.system());
    db.useTx(tx -> events.tend(tx, Instant.now()));
    this.orchestrator =
        new Orchestrator(
            new Orchestrator.Capabilities(
                db,
                new ConversationStore(),
                queue,
                events,
                new Snapshots(db, new Snapshots.Limits(1 << 20, 100, 20)),
                null,
                agents,
                news -> {}),
            new Orchestrator.Limits(data, 4, 0),
            new Elsewhere(work, tokens, DEADLINE, Duration.ofSeconds(1), () -> ""),
            new NoMeters(),
            Clock.system());
    this.port = orchestrator.workerPort();
    this.holder = replica();
  }

  @AfterAll
  void stop() {
    orchestrator.close();
  }

  private record Scene(Claimed claimed, RunScope scope) {
    RunId run() {
      return claimed.run().id();
    }
  }

  @Test
  void with_no_worker_nothing_is_claimed_and_with_some_no_more_than_they_can_take() {
    Agent agent = agent("crewed");
    RunId first = post(agent, "c-1");
    post(agent, "c-2");
    post(agent, "c-3");
    assertThat(claims(agent)).isEmpty();
    Optional<Why> why = db.inTx(tx -> queue.why(tx, organization, first));
    assertThat(why).contains(new Why.NoWorker());
    try (WorkerLink link = connect(agent, "w", 2)) {
      db.useTx(tx -> queue.liftHeld(tx, 100));
      assertThat(claims(agent)).hasSize(2);
      db.useTx(tx -> queue.liftHeld(tx, 100));
      assertThat(claims(agent)).isEmpty();
      assertThat(link.over()).isEmpty();
      assertThat(port.connected(organization)).containsEntry(agent.id(), new RemoteWork.Crew(1, 2));
    }
    assertThat(port.connected(organization)).doesNotContainKey(agent.id());
  }

  @Test
  void each_run_is_given_to_one_worker_however_many_ask_at_once() throws Exception {
    Agent agent = agent("raced");
    List<WorkerLink> links = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      links.add(connect(agent, "w" + i, 3));
    }
    for (int i = 0; i < 10; i++) {
      post(agent, "r-" + i);
    }
    claims(agent).forEach(this::offer);
    List<Callable<List<Assignment>>> asking = new ArrayList<>();
    links.forEach(link -> asking.add(link::take));
    List<RunId> given = new ArrayList<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (var taken : threads.invokeAll(asking)) {
        List<RunId> his = taken.get().stream().map(it -> it.run().id()).toList();
        assertThat(his).hasSizeLessThanOrEqualTo(3);
        given.addAll(his);
      }
    }
    // Who was passed over because another looked at the same rows looks again.
    links.forEach(link -> link.take().forEach(it -> given.add(it.run().id())));
    Set<RunId> all = new HashSet<>(given);
    assertThat(given).hasSize(10).hasSameSizeAs(all);
    links.forEach(WorkerLink::close);
  }

  @Test
  void after_a_takeover_the_token_of_the_epoch_before_changes_nothing_any_more() {
    Scene scene = scene("stale");
    assertThat(port.respond(scene.scope(), events(text(1, "before")))).isEqualTo(1);
    port.heartbeat(scene.scope());
    db.useTx(tx -> queue.takeOver(tx, scene.claimed().lease().replica(), replica()));
    for (ThrowingCallable use : uses(scene, 2)) {
      assertCode(use, "stale_epoch");
    }
    assertThat(said(scene)).isEqualTo(1);
    assertThat(snapshots(scene)).isZero();
  }

  @Test
  void the_token_of_an_earlier_attempt_under_the_same_epoch_is_refused_too() {
    Scene scene = scene("again");
    Claimed claimed = scene.claimed();
    db.useTx(tx ->
        queue.requeue(
            tx, claimed.lease(), scene.run(), new io.turnkeeper.queue.Again(Duration.ZERO, true)));
    db.useTx(tx -> queue.startNext(tx, claimed.lease().replica(), List.of(claimed.lease())));
    for (ThrowingCallable use : uses(scene, 1)) {
      assertCode(use, "stale_epoch");
    }
  }

  @Test
  void what_the_holder_took_back_is_refused_at_once() {
    Scene scene = scene("closed");
    Taken turn = new Taken(scene.run(), scene.scope().epoch(), scene.scope().attempt());
    boolean early = db.inTx(tx -> work.closeSilent(tx, scene.claimed().lease(), turn));
    assertThat(early).as("its deadline has not passed").isFalse();
    db.useTx(tx -> work.close(tx, scene.claimed().lease(), turn));
    assertCode(() -> port.respond(scene.scope(), events(text(1, "x"))), "run_over");
    assertCode(() -> port.heartbeat(scene.scope()), "run_over");
    assertCode(() -> port.putSnapshot(scene.scope(), scene.run(), bytes("x")), "run_over");
  }

  @Test
  void a_worker_that_lost_a_run_counts_as_gone_until_it_connects_again() {
    Scene scene = scene("silent");
    AgentId agent = scene.scope().agent();
    assertThat(port.connected(organization)).containsKey(agent);
    db.useTx(tx ->
        tx.update(
                "UPDATE worker_turns SET deadline_at = now() - interval '1 s' WHERE run_id = :run")
            .bind("run", scene.run().value())
            .execute());
    Taken turn = new Taken(scene.run(), scene.scope().epoch(), scene.scope().attempt());
    boolean closed = db.inTx(tx -> work.closeSilent(tx, scene.claimed().lease(), turn));
    assertThat(closed).isTrue();
    assertThat(port.connected(organization)).doesNotContainKey(agent);
    assertCode(() -> port.heartbeat(scene.scope()), "run_over");
  }

  @Test
  void a_token_acts_for_its_run_alone_and_one_without_a_run_never_writes() {
    Scene scene = scene("scoped");
    Scene other = scene("scoped-too");
    RunScope own = scene.scope();
    OrganizationId foreign =
        tenancy.createOrganization("f-" + UUID.randomUUID(), null).organization().id();
    List<RunScope> forged =
        List.of(
            new RunScope(foreign, own.agent(), own.thread(), own.run(), own.epoch(), 1),
            new RunScope(
                organization, new AgentId(UUID.randomUUID()), own.thread(), own.run(), 1, 1),
            new RunScope(organization, own.agent(), "elsewhere", own.run(), own.epoch(), 1),
            new RunScope(organization, own.agent(), own.thread(), other.run(), own.epoch(), 1),
            new RunScope(organization, own.agent(), own.thread(), RunId.next(), own.epoch(), 1));
    for (RunScope scope : forged) {
      for (ThrowingCallable use : uses(new Scene(scene.claimed(), scope), 1)) {
        assertThatThrownBy(use).isInstanceOf(Refusal.Denied.class);
      }
    }
    RunScope none = new RunScope(organization, own.agent(), own.thread(), null, own.epoch(), 1);
    for (ThrowingCallable use : uses(new Scene(scene.claimed(), none), 1)) {
      assertCode(use, "run_token_needed");
    }
    assertCode(() -> port.putSnapshot(own, other.run(), bytes("x")), "out_of_scope");
    assertThat(said(scene) + said(other)).isZero();
    assertThat(snapshots(scene) + snapshots(other)).isZero();
  }

  @Test
  void a_second_snapshot_of_a_run_is_refused_and_one_of_a_later_attempt_takes_its_place() {
    Scene scene = scene("kept");
    port.putSnapshot(scene.scope(), scene.run(), bytes("first"));
    assertCode(
        () -> port.putSnapshot(scene.scope(), scene.run(), bytes("second")), "snapshot_exists");
    assertThatThrownBy(() -> port.snapshot(scene.scope())).isInstanceOf(Refusal.NotFound.class);
    db.useTx(tx -> queue.takeOver(tx, scene.claimed().lease().replica(), replica()));
    RunScope old = scene.scope();
    var held = db.inTx(tx -> queue.held(tx, organization, scene.run())).orElseThrow();
    db.useTx(tx -> work.offer(tx, held.lease(), scene.run(), held.run().attempt(), DEADLINE));
    take("kept", "w-2");
    RunScope now =
        new RunScope(
            organization,
            old.agent(),
            old.thread(),
            old.run(),
            held.lease().epoch(),
            old.attempt());
    port.putSnapshot(now, scene.run(), bytes("later"));
    db.useTx(tx ->
        tx.update("UPDATE snapshots SET completed = true WHERE run_id = :run")
            .bind("run", scene.run().value())
            .execute());
    assertThat(new String(port.snapshot(now).state(), StandardCharsets.UTF_8)).isEqualTo("later");
    port.deleteSnapshots(now);
    assertThatThrownBy(() -> port.snapshot(now)).isInstanceOf(Refusal.NotFound.class);
  }

  @Test
  void what_was_accepted_of_a_worker_survives_the_replica_that_was_to_write_it() {
    Scene scene = scene("survives");
    append(scene, 1, Kinds.STARTED, Json.object().put("attempt", 1));
    append(scene, 2, Kinds.READY, Json.object().put("restore", "remote"));
    port.respond(scene.scope(), events(text(1, "one "), text(2, "two ")));
    // The holder wrote the first of them, and died.
    append(scene, 3, Kinds.UPDATE, Messages.update(text(1, "one ")));
    port.respond(scene.scope(), events(text(3, "three"), result(4)));
    int taker = replica();
    int dead = scene.claimed().lease().replica();
    db.inTx(tx -> orchestrator.takeOver(tx, dead, taker)).run();
    Run ended = awaitEnded(scene.run());
    assertThat(ended.status()).isEqualTo(RunStatus.COMPLETED);
    List<Event> log = db.inTx(tx -> this.events.after(tx, organization, scene.run(), 0, 100));
    assertThat(log.getLast().data().path("answer").asString()).isEqualTo("one two three");
    assertThat(log.stream().map(Event::seq).toList()).containsExactly(1, 2, 3, 4, 5, 6);
    // Its worker lost the answer, and asks again.
    assertThat(port.respond(scene.scope(), events(result(4)))).isEqualTo(4);
  }

  @Test
  void a_worker_whose_run_went_with_its_replica_has_room_for_another() {
    Scene scene = scene("roomy");
    append(scene, 1, Kinds.STARTED, Json.object().put("attempt", 1));
    append(scene, 2, Kinds.UPDATE, Messages.update(text(1, "half")));
    int taker = replica();
    int dead = scene.claimed().lease().replica();
    db.inTx(tx -> orchestrator.takeOver(tx, dead, taker)).run();
    assertThat(awaitEnded(scene.run()).status()).isEqualTo(RunStatus.FAILED);
    Agent agent = agents.find(organization, "roomy");
    RunId next = post(agent, "roomy-next");
    List<Claimed> claimed = claims(agent);
    assertThat(claimed).extracting(it -> it.run().id()).containsExactly(next);
    claimed.forEach(this::offer);
    take("roomy", "w-1");
  }

  @Test
  void a_result_ends_it_and_numbers_have_no_gaps() {
    Scene scene = scene("numbered");
    assertCode(() -> port.respond(scene.scope(), events(text(2, "b"))), "events_missing");
    assertThatThrownBy(() -> port.respond(scene.scope(), events(text(1, "a"), text(3, "c"))))
        .isInstanceOf(Refusal.Invalid.class);
    assertThatThrownBy(() -> port.respond(scene.scope(), events(result(1), text(2, "b"))))
        .isInstanceOf(Refusal.Invalid.class);
    assertThat(port.respond(scene.scope(), events(text(1, "a"), result(2)))).isEqualTo(2);
    assertThat(port.respond(scene.scope(), events(text(1, "a"), result(2)))).isEqualTo(2);
    assertCode(() -> port.respond(scene.scope(), events(text(3, "c"))), "run_over");
    assertThat(said(scene)).isEqualTo(2);
  }

  private List<ThrowingCallable> uses(Scene scene, int next) {
    return List.of(
        () -> port.respond(scene.scope(), events(text(next, "x"))),
        () -> port.heartbeat(scene.scope()),
        () -> port.messages(scene.scope()),
        () -> port.snapshot(scene.scope()),
        () -> port.putSnapshot(scene.scope(), scene.run(), bytes("x")),
        () -> port.deleteSnapshots(scene.scope()),
        () -> port.custom(scene.scope(), Json.object()));
  }

  private static void assertCode(ThrowingCallable use, String code) {
    assertThatThrownBy(use)
        .isInstanceOfSatisfying(
            Refusal.class, refusal -> assertThat(refusal.code()).isEqualTo(code));
  }

  /** A run at a worker, by a holder of its own. */
  private Scene scene(String name) {
    Agent agent = agent(name);
    WorkerLink link = connect(agent, "w-1", 1);
    RunId run = post(agent, name);
    int own = replica();
    Claimed claimed =
        db.inTx(tx -> queue.claim(tx, own, 100)).taken().stream()
            .filter(it -> it.run().id().equals(run))
            .findFirst()
            .orElseThrow();
    offer(claimed);
    Assignment given = link.take().getFirst();
    return new Scene(claimed, tokens.verify(Optional.of(given.token().text())));
  }

  private void take(String agent, String worker) {
    assertThat(connect(agents.find(organization, agent), worker, 1).take()).hasSize(1);
  }

  private Agent agent(String name) {
    return agents.add(organization, Json.object().put("name", name).put("kind", "remote")).agent();
  }

  private WorkerLink connect(Agent agent, String name, int capacity) {
    UUID key = tenancy.createWorkerKey(organization, name, agent.id()).key().id();
    return port.connect(new WorkerPort.Who(organization, agent.id(), key, name, capacity));
  }

  private RunId post(Agent agent, String conversation) {
    return orchestrator
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
                null))
        .run();
  }

  private List<Claimed> claims(Agent agent) {
    return db.inTx(tx -> queue.claim(tx, holder, 100)).taken().stream()
        .filter(it -> it.run().agent().equals(agent.id()))
        .toList();
  }

  private void offer(Claimed claimed) {
    Run run = claimed.run();
    boolean offered =
        db.inTx(tx -> work.offer(tx, claimed.lease(), run.id(), run.attempt(), DEADLINE));
    assertThat(offered).isTrue();
  }

  private void append(Scene scene, int seq, String kind, ObjectNode data) {
    Append event = new Append(scene.claimed().lease(), scene.run(), seq, kind, data);
    db.useTx(tx -> events.append(tx, scene.claimed().lease().replica(), List.of(event)));
  }

  private static ArrayNode events(ObjectNode... all) {
    ArrayNode events = Json.array();
    for (ObjectNode event : all) {
      events.add(event);
    }
    return events;
  }

  private static ObjectNode text(int seq, String text) {
    return Json.object().put("seq", seq).put("type", "text").put("text", text);
  }

  private static ObjectNode result(int seq) {
    return Json.object().put("seq", seq).put("type", "result").put("status", "completed");
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private long said(Scene scene) {
    return count("worker_messages", scene);
  }

  private long snapshots(Scene scene) {
    return count("snapshots", scene);
  }

  private long count(String table, Scene scene) {
    return db.inTx(tx ->
        tx.query("SELECT count(*) FROM " + table + " WHERE run_id = :run")
            .bind("run", scene.run().value())
            .mapTo(Long.class)
            .one());
  }

  private Run awaitEnded(RunId run) {
    while (true) {
      Run now = db.inTx(tx -> queue.run(tx, organization, run)).orElseThrow();
      if (now.status().terminal()) {
        return now;
      }
      LockSupport.parkNanos(10_000_000);
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
