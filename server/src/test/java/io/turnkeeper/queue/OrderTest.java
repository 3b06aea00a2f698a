package io.turnkeeper.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.Plans;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The order of each conversation's runs where a hundred thousand conversations are ready, and two
 * replicas take whatever is next. One goes on with what it holds, the other gives each conversation
 * back after each run. The later run is the more urgent one, so what was given back is what is
 * claimed next, by either of them; nothing but the order keeps it behind the earlier one.
 */
@DbTest
@Timeout(90)
@Promise(3)
class OrderTest {
  private static final int CONVERSATIONS = 100_000;
  private static final int SLOTS = 500;

  /** Of each of the two. All 200,000 runs would take more than a minute, and show no more. */
  private static final int CLAIMS = 12;

  private static final List<String> FILLED =
      List.of(
          "SET LOCAL session_replication_role = replica",
          "INSERT INTO organizations (id, name) VALUES (md5('o')::uuid, 'acme')",
          """
          INSERT INTO agents (id, organization_id, name, version)
          VALUES (md5('a')::uuid, md5('o')::uuid, 'a', 1)
          """,
          """
          INSERT INTO conversations (key, organization_id, agent_id, id) OVERRIDING SYSTEM VALUE
          SELECT n, md5('o')::uuid, md5('a')::uuid, 'c-' || n FROM generate_series(1, :count) n
          """,
          """
          INSERT INTO mailboxes (conversation_key, organization_id, agent_id, state, pending,
                                 next_turn, tag)
          SELECT n, md5('o')::uuid, md5('a')::uuid, 'ready', 2, 3, n
            FROM generate_series(1, :count) n
          """,
          // The later turn first: no order but that of the turns may help.
          """
          INSERT INTO runs
                 (id, organization_id, agent_id, conversation_key, turn, priority, action_input)
          SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n * 4 - t), 12, '0'))::uuid,
                 md5('o')::uuid, md5('a')::uuid, n, t, t - 1, '{}'
            FROM generate_series(1, :count) n, generate_series(2, 1, -1) t
          """,
          "ANALYZE");

  private static final String OUT_OF_ORDER =
      """
      SELECT count(*) FROM runs b
       WHERE b.turn = 2 AND b.started_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM runs a
                          WHERE a.conversation_key = b.conversation_key AND a.turn = 1
                            AND a.finished_at <= b.started_at)
      """;

  private static final String ENDED = "SELECT count(*) FROM runs WHERE status = 'completed'";

  private final Db db;

  /** By conversation: how many of its turns have started and ended, in one count. */
  private final AtomicIntegerArray steps = new AtomicIntegerArray(CONVERSATIONS + 1);

  private final AtomicInteger claimed = new AtomicInteger();
  private final AtomicInteger handedOver = new AtomicInteger();
  private final AtomicInteger ended = new AtomicInteger();
  private final Queue<String> wrong = new ConcurrentLinkedQueue<>();

  OrderTest(Db db) {
    this.db = db;
  }

  @BeforeAll
  void fill() {
    db.useTx(tx -> {
      for (String statement : FILLED) {
        var update = tx.update(statement);
        (statement.contains(":count") ? update.bind("count", CONVERSATIONS) : update).execute();
      }
    });
  }

  @Test
  void no_run_starts_before_the_one_before_it_has_ended() throws Exception {
    long pages = pagesOfAPick();
    try (var threads = Executors.newFixedThreadPool(2)) {
      int goesOn = replica();
      int givesBack = replica();
      List<Future<?>> replicas =
          List.of(
              threads.submit(() -> serve(goesOn, true)),
              threads.submit(() -> serve(givesBack, false)));
      for (Future<?> replica : replicas) {
        replica.get();
      }
    }
    assertThat(wrong).isEmpty();
    // Each claim found all that it asked for: none stood behind what had been claimed.
    assertThat(claimed).hasValue(2 * CLAIMS * SLOTS);
    assertThat(handedOver).as("second turns that a claim started").hasPositiveValue();
    assertThat(count(ENDED)).isEqualTo(ended.get());
    assertThat(count(OUT_OF_ORDER)).as("by the database's own clock").isZero();
    // What was claimed is passed over in the index, a page of entries at a time, until a vacuum.
    assertThat(pagesOfAPick()).isLessThan(pages + 2 * CLAIMS * SLOTS / 20);
  }

  private long pagesOfAPick() {
    return db.inTx(tx -> Plans.pages(tx, LeaseSql.PICK, Map.of("slots", SLOTS)));
  }

  private long count(String sql) {
    return db.inTx(tx -> tx.query(sql).mapTo(Long.class).one());
  }

  private void serve(int replica, boolean goesOn) {
    RunQueue queue = new RunQueue();
    for (int i = 0; i < CLAIMS && wrong.isEmpty(); i++) {
      List<Claimed> taken = db.inTx(tx -> queue.claim(tx, replica, SLOTS).taken());
      claimed.addAndGet(taken.size());
      List<LeaseToken> leases = taken.stream().map(Claimed::lease).toList();
      List<Settlement> running = new ArrayList<>();
      for (Claimed it : taken) {
        running.add(started(it.lease(), it.run()));
        if (it.run().turn() > 1) {
          handedOver.incrementAndGet();
        }
      }
      settle(queue, replica, running);
      if (goesOn) {
        Map<LeaseToken, Run> next = db.inTx(tx -> queue.startNext(tx, replica, leases).runs());
        running.clear();
        next.forEach((lease, run) -> running.add(started(lease, run)));
        settle(queue, replica, running);
      }
      db.useTx(tx -> queue.release(tx, replica, leases));
    }
  }

  private Settlement started(LeaseToken lease, Run run) {
    step(lease, 2 * ((int) run.turn() - 1), run.id());
    return new Settlement(lease, run.id(), RunStatus.COMPLETED, Json.array(), null);
  }

  private void settle(RunQueue queue, int replica, List<Settlement> running) {
    int settled = db.inTx(tx -> queue.settle(tx, replica, running)).size();
    if (settled != running.size()) {
      wrong.add("only %d of %d could be ended".formatted(settled, running.size()));
    }
    for (Settlement end : running) {
      int before = steps.get((int) end.lease().conversation().key());
      step(end.lease(), before | 1, end.run());
    }
    ended.addAndGet(settled);
  }

  /** Even before a start, odd before an end. */
  private void step(LeaseToken lease, int from, RunId run) {
    int key = (int) lease.conversation().key();
    if (!steps.compareAndSet(key, from, from + 1)) {
      wrong.add("conversation %d, run %s: %d is not %d".formatted(key, run, steps.get(key), from));
    }
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
