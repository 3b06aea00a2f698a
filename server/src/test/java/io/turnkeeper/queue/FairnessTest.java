package io.turnkeeper.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Several replicas, each with a queue and a memory of its own, on one database. */
@DbTest
@Timeout(120)
class FairnessTest {
  private static final int FLOOD = 100_000;
  private static final int SLOTS = 8;

  /** Tags as the one insert path gives them: one after the other. */
  private static final List<String> FLOODED =
      List.of(
          """
          INSERT INTO conversations (organization_id, agent_id, id)
          SELECT :organization, :agent, 'flood-' || n FROM generate_series(1, :count) n
          """,
          """
          INSERT INTO mailboxes (conversation_key, organization_id, agent_id, state, pending,
                                 next_turn, tag)
          SELECT c.key, c.organization_id, c.agent_id, 'ready', 1, 2,
                 row_number() OVER (ORDER BY c.key)
            FROM conversations c WHERE c.organization_id = :organization AND c.agent_id = :agent
                                   AND :count > 0
          """,
          """
          INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, action_input)
          SELECT gen_random_uuid(), c.organization_id, c.agent_id, c.key, 1, '{}'
            FROM conversations c WHERE c.organization_id = :organization AND c.agent_id = :agent
                                   AND :count > 0
          """);

  private final Db db;

  FairnessTest(Db db) {
    this.db = db;
  }

  private record Replica(int id, RunQueue queue) {}

  @BeforeEach
  void clear() {
    db.useTx(tx ->
        tx.update(
                """
                UPDATE mailboxes SET state = 'idle', pending = 0, running = false, replica_id = NULL
                """)
            .execute());
  }

  @Test
  void a_single_run_waits_for_one_slot_s_turnover_behind_a_hundred_thousand_of_another_tenant() {
    OrganizationId big = organization("big");
    flood(big, agent(big, null));
    List<Replica> replicas = List.of(replica(), replica(), replica());
    List<Claimed> running = new ArrayList<>();
    for (Replica replica : replicas) {
      running.addAll(claim(replica, SLOTS));
    }
    assertThat(running).hasSize(replicas.size() * SLOTS);
    // Service goes on for a while, on all of them, before the other tenant comes.
    for (int i = 0; i < 50; i++) {
      Claimed done = running.removeFirst();
      Replica holder = holder(replicas, done);
      end(holder, done);
      running.addAll(claim(holder, 1));
    }
    for (Replica accepts : List.of(replicas.get(1), replica())) {
      OrganizationId small = organization("small");
      db.useTx(tx -> accepts.queue().noticeVirtualTime(tx));
      RunId single = enqueue(accepts, conversation(small, agent(small, null), "only"));
      Claimed done = running.removeFirst();
      Replica freed = holder(replicas, done);
      end(freed, done);
      List<Claimed> next = claim(freed, 1);
      assertThat(next).hasSize(1);
      assertThat(next.getFirst().run().id()).isEqualTo(single);
      running.addAll(next);
    }
  }

  @Test
  void caps_of_agents_and_organizations_hold_while_replicas_claim_at_once() throws Exception {
    OrganizationId organization = organization("capped");
    db.useTx(tx ->
        tx.update("UPDATE organizations SET max_running = 5 WHERE id = :id")
            .bind("id", organization.value())
            .execute());
    AgentId narrow = agent(organization, 2);
    AgentId wide = agent(organization, null);
    Replica first = replica();
    int work = 60;
    for (int i = 0; i < work; i++) {
      enqueue(first, conversation(organization, i % 2 == 0 ? narrow : wide, "c" + i));
    }
    AtomicInteger left = new AtomicInteger(work);
    Set<String> broken = new HashSet<>();
    List<Callable<Integer>> claimers = new ArrayList<>();
    for (Replica replica : List.of(first, replica(), replica())) {
      claimers.add(() -> serve(replica, organization, narrow, left, broken));
    }
    int ended = 0;
    try (var threads = Executors.newFixedThreadPool(claimers.size())) {
      for (Future<Integer> claimer : threads.invokeAll(claimers)) {
        ended += claimer.get();
      }
    }
    assertThat(broken).isEmpty();
    assertThat(ended).isEqualTo(work);
  }

  private int serve(
      Replica replica, OrganizationId of, AgentId narrow, AtomicInteger left, Set<String> broken) {
    int ended = 0;
    while (left.get() > 0) {
      List<Claimed> claimed = claim(replica, 3);
      synchronized (broken) {
        check(of, narrow, broken);
      }
      for (Claimed one : claimed) {
        end(replica, one);
        ended++;
        left.decrementAndGet();
      }
      db.useTx(tx -> replica.queue().liftHeld(tx, 100));
    }
    return ended;
  }

  private void check(OrganizationId of, AgentId narrow, Set<String> broken) {
    db.useTx(tx -> {
      int all = running(tx.query(RUNNING + " AND :agent::uuid IS NOT NULL"), of, narrow);
      int few = running(tx.query(RUNNING + " AND agent_id = :agent"), of, narrow);
      if (all > 5) {
        broken.add("organization runs " + all);
      }
      if (few > 2) {
        broken.add("agent runs " + few);
      }
    });
  }

  private static final String RUNNING =
      "SELECT count(*) FROM mailboxes WHERE running AND organization_id = :organization";

  private static int running(
      org.jdbi.v3.core.statement.Query query, OrganizationId of, AgentId agent) {
    return query
        .bind("organization", of.value())
        .bind("agent", agent.value())
        .mapTo(Integer.class)
        .one();
  }

  /**
   * The reference joins names by a colon and hashes them to 32 bits: the first two pairs were one
   * lock there, and so were the last two, whose hashes are equal.
   */
  @Test
  void conversations_whose_names_collide_elsewhere_never_wait_for_each_other() {
    OrganizationId one = named("acme:eu");
    OrganizationId two = named("acme");
    assertThat("Aa".hashCode()).isEqualTo("BB".hashCode());
    Replica here = replica();
    Replica there = replica();
    List<List<Conversation>> pairs =
        List.of(
            List.of(
                conversation(one, agent(one, null), "bot"),
                conversation(two, agent(two, null), "eu:bot")),
            List.of(
                conversation(one, agent(one, null), "Aa"),
                conversation(one, agent(one, null), "BB")));
    for (List<Conversation> pair : pairs) {
      pair.forEach(conversation -> enqueue(here, conversation));
      Claimed held = claim(here, 1).getFirst();
      Claimed other = claim(there, 1).getFirst();
      assertThat(other.lease().conversation()).isNotEqualTo(held.lease().conversation());
      db.useTx(tx -> {
        Set<LeaseToken> locked = here.queue().lock(tx, here.id(), List.of(held.lease()));
        assertThat(locked).containsExactly(held.lease());
        // On another connection, while this one holds its rows.
        assertThat(CompletableFuture.runAsync(() -> end(there, other)))
            .succeedsWithin(Duration.ofSeconds(10));
      });
      end(here, held);
    }
  }

  private void flood(OrganizationId of, AgentId agent) {
    db.useTx(tx -> {
      // What refers to what is right by construction.
      tx.update("SET LOCAL session_replication_role = replica").execute();
      for (String statement : FLOODED) {
        tx.update(statement)
            .bind("organization", of.value())
            .bind("agent", agent.value())
            .bind("count", FLOOD)
            .execute();
      }
    });
    db.useTx(tx -> tx.update("ANALYZE").execute());
  }

  private static Replica holder(List<Replica> replicas, Claimed of) {
    return replicas.stream()
        .filter(replica -> replica.id() == of.lease().replica())
        .findFirst()
        .orElseThrow();
  }

  private List<Claimed> claim(Replica replica, int slots) {
    return db.inTx(tx -> replica.queue().claim(tx, replica.id(), slots)).taken();
  }

  private void end(Replica replica, Claimed claimed) {
    db.useTx(tx -> {
      List<LeaseToken> lease = List.of(claimed.lease());
      Settlement end =
          new Settlement(
              claimed.lease(), claimed.run().id(), RunStatus.COMPLETED, Json.array(), null);
      replica.queue().settle(tx, replica.id(), List.of(end));
      replica.queue().release(tx, replica.id(), lease);
    });
  }

  private RunId enqueue(Replica at, Conversation conversation) {
    NewRun run =
        new NewRun(
            RunId.next(),
            conversation,
            Json.object(),
            Json.object(),
            Json.object(),
            0,
            Duration.ZERO,
            null,
            1,
            false,
            null);
    db.useTx(tx -> at.queue().enqueue(tx, List.of(run)));
    return run.id();
  }

  private OrganizationId organization(String name) {
    return named(name + "-" + UUID.randomUUID());
  }

  private OrganizationId named(String name) {
    UUID id = UUID.randomUUID();
    db.useTx(tx ->
        tx.update("INSERT INTO organizations (id, name) VALUES (:id, :name)")
            .bind("id", id)
            .bind("name", name)
            .execute());
    return new OrganizationId(id);
  }

  private AgentId agent(OrganizationId of, @Nullable Integer max) {
    UUID id = UUID.randomUUID();
    db.useTx(tx ->
        tx.update(
                "INSERT INTO agents (id, organization_id, name, version, max_running)"
                    + " VALUES (:id, :organization, :name, 1, :max)")
            .bind("id", id)
            .bind("organization", of.value())
            .bind("name", "a-" + id)
            .bind("max", max)
            .execute());
    return new AgentId(id);
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

  private Replica replica() {
    int id =
        db.inTx(tx ->
            tx.query(
                    "INSERT INTO replicas (host, pid, address, version, max_leases)"
                        + " VALUES ('h', 1, 'a', 'v', 10) RETURNING id")
                .mapTo(Integer.class)
                .one());
    return new Replica(id, new RunQueue());
  }
}
