package io.turnkeeper.eventlog;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.NewRun;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Settlement;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Retention: whole days are dropped, and never one with a run that is still to come. */
@DbTest
@Timeout(60)
@Promise(4)
class EventLogTest {
  private static final Duration RETENTION = Duration.ofDays(30);

  private final Db db;
  private final RunQueue queue = new RunQueue();
  private final EventLog log = new EventLog(RETENTION);

  /** Far from the days that the schema came with. */
  private final Instant dayNought = Instant.parse("2031-03-01T13:00:00Z");

  private final Conversation conversation =
      new Conversation(
          new OrganizationId(UUID.randomUUID()), new AgentId(UUID.randomUUID()), 1, "c");
  private int replica;

  EventLogTest(Db db) {
    this.db = db;
  }

  @BeforeAll
  void start() {
    UUID organization = conversation.organization().value();
    UUID agent = conversation.agent().value();
    db.useTx(tx -> {
      tx.update("INSERT INTO organizations (id, name) VALUES (:id, 'acme')")
          .bind("id", organization)
          .execute();
      tx.update(
              "INSERT INTO agents (id, organization_id, name, version)"
                  + " VALUES (:id, :organization, 'a', 1)")
          .bind("id", agent)
          .bind("organization", organization)
          .execute();
      replica =
          tx.query(
                  "INSERT INTO replicas (host, pid, address, version, max_leases)"
                      + " VALUES ('h', 1, 'a', 'v', 10) RETURNING id")
              .mapTo(Integer.class)
              .one();
    });
  }

  @Test
  void a_day_is_dropped_when_it_is_past_retention_and_its_runs_have_ended() {
    tend(0);
    assertThat(days()).contains(name(-1), name(0), name(1), name(7)).doesNotContain(name(8));

    Claimed ended = started(0, "ended");
    append(ended, "first", "second");
    settle(ended);
    Claimed live = started(1, "live");
    append(live, "third");
    Claimed recent = started(7, "recent");
    append(recent, "fourth");
    settle(recent);
    tend(37);
    assertThat(days()).as("a day of retention").contains(name(7));

    tend(40);

    assertThat(days()).doesNotContain(name(-1), name(0), name(2), name(7));
    assertThat(days()).as("one of its runs is still to come").contains(name(1));
    assertThat(days()).as("made ahead").contains(name(39), name(40), name(47));
    assertThat(kinds(ended)).isEmpty();
    Run kept = run(ended);
    assertThat(kept.status()).isEqualTo(RunStatus.COMPLETED);
    assertThat(kept.output()).isEqualTo(Json.parse("[\"the answer\"]"));
    assertThat(kinds(live)).containsExactly("third");
    append(live, "third", "fifth");
    assertThat(kinds(live)).containsExactly("third", "fifth");

    settle(live);
    tend(40);
    assertThat(days()).doesNotContain(name(1));
  }

  @Test
  void a_second_replica_passes_over_what_the_first_one_is_at() throws Exception {
    tend(100);
    List<String> before = days();
    db.useTx(tx -> {
      log.tend(tx, day(100));
      // By a thread, and so by a connection, of its own.
      var second = CompletableFuture.runAsync(() -> db.useTx(other -> log.tend(other, day(200))));
      second.orTimeout(20, TimeUnit.SECONDS).join();
    });
    assertThat(days()).isEqualTo(before);

    tend(200);
    assertThat(days()).contains(name(200)).doesNotContain(name(100));
  }

  @Test
  void nothing_is_appended_under_an_epoch_that_is_over_or_by_a_replica_that_is_not_alive() {
    tend(300);
    Claimed held = started(300, "fenced");
    append(held, "first");
    for (String takenOver :
        List.of(
            "UPDATE mailboxes SET epoch = epoch + 1 WHERE conversation_key = :key",
            "UPDATE mailboxes SET epoch = epoch - 2 WHERE conversation_key = :key")) {
      change(takenOver, held);
      append(held, "first", "second");
      assertThat(kinds(held)).as(takenOver).containsExactly("first");
    }
    change("UPDATE mailboxes SET epoch = epoch + 1 WHERE conversation_key = :key", held);
    for (String state : List.of("dead", "stopped")) {
      become(state);
      append(held, "first", "second");
      become("live");
      assertThat(kinds(held)).as("by a replica that is %s", state).containsExactly("first");
    }
    become("draining");
    append(held, "first", "second");
    become("live");
    assertThat(kinds(held)).containsExactly("first", "second");
    settle(held);
  }

  private void change(String sql, Claimed of) {
    db.useTx(tx -> tx.update(sql).bind("key", of.lease().conversation().key()).execute());
  }

  private void become(String state) {
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = :state WHERE id = :id")
            .bind("state", state)
            .bind("id", replica)
            .execute());
  }

  private void tend(int day) {
    db.useTx(tx -> log.tend(tx, day(day)));
  }

  private Instant day(int day) {
    return dayNought.plus(Duration.ofDays(day));
  }

  private String name(int day) {
    return "run_events_"
        + DateTimeFormatter.BASIC_ISO_DATE.format(LocalDate.ofInstant(day(day), ZoneOffset.UTC));
  }

  private List<String> days() {
    return db.inTx(tx -> tx.query(EventSql.PARTITIONS).mapTo(String.class).list());
  }

  /** A run that was accepted on that day, and is under way. */
  private Claimed started(int day, String thread) {
    return db.inTx(tx -> {
      NewRun run =
          new NewRun(
              new RunId(Uuid7.floor(day(day).toEpochMilli())),
              conversation(tx, thread),
              Json.object(),
              Json.object(),
              Json.object(),
              0,
              Duration.ZERO,
              null,
              1,
              false,
              null);
      queue.enqueue(tx, List.of(run));
      Claimed claimed = queue.claim(tx, replica, 1).taken().getFirst();
      assertThat(claimed.run().id()).isEqualTo(run.id());
      return claimed;
    });
  }

  private Conversation conversation(Tx tx, String thread) {
    long key =
        tx.query(
                "INSERT INTO conversations (organization_id, agent_id, id)"
                    + " VALUES (:organization, :agent, :id) RETURNING key")
            .bind("organization", conversation.organization().value())
            .bind("agent", conversation.agent().value())
            .bind("id", thread)
            .mapTo(Long.class)
            .one();
    return new Conversation(conversation.organization(), conversation.agent(), key, thread);
  }

  /** From number 1 on; those that are there are passed over. */
  private void append(Claimed to, String... kinds) {
    db.useTx(tx -> {
      int seq = 0;
      for (String kind : kinds) {
        seq++;
        log.append(
            tx, replica, List.of(new Append(to.lease(), to.run().id(), seq, kind, Json.object())));
      }
    });
  }

  private void settle(Claimed claimed) {
    Settlement end =
        new Settlement(
            claimed.lease(),
            claimed.run().id(),
            RunStatus.COMPLETED,
            Json.array().add("the answer"),
            null);
    Set<RunId> ended = db.inTx(tx -> queue.settle(tx, replica, List.of(end)));
    assertThat(ended).containsExactly(claimed.run().id());
    db.useTx(tx -> queue.release(tx, replica, List.of(claimed.lease())));
  }

  private Run run(Claimed claimed) {
    Optional<Run> found =
        db.inTx(tx -> queue.run(tx, conversation.organization(), claimed.run().id()));
    return found.orElseThrow();
  }

  private List<String> kinds(Claimed claimed) {
    return db.inTx(tx ->
        log.after(tx, conversation.organization(), claimed.run().id(), 0, 10).stream()
            .map(Event::kind)
            .toList());
  }
}
