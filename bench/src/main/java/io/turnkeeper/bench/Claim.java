package io.turnkeeper.bench;

import io.turnkeeper.queue.Claimed;
import java.util.List;
import org.HdrHistogram.Histogram;

/** A claim among very many conversations of which many cannot start. */
final class Claim implements Scenario {
  private static final int SLOTS = 10;

  @Override
  public String name() {
    return "claim";
  }

  @Override
  public String claim() {
    return "a claim costs the same whatever is queued behind busy, capped and paused conversations";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int few = lab.mode().pick(1_000, 1_000, 200);
    int many = lab.mode().pick(100_000, 100_000, 4_000);
    int runsEach = lab.mode().pick(10, 5, 3);
    for (int conversations : List.of(few, many)) {
      try (Database database = lab.postgres().fresh();
          Engine engine =
              Engine.prepare(
                  database,
                  new Engine.Shape(0, 4, lab.scratch("claim")),
                  new NoopPool(false, (turn, listener) -> {}))) {
        lab.progress()
            .say(conversations + " conversations with " + conversations * runsEach + " runs");
        Bare bare = Bare.in(database, engine);
        fill(database, conversations, runsEach);
        database.settle();
        int claims =
            Math.min(lab.mode().pick(2_000, 1_000, 30), conversations * 3 / 10 / SLOTS - 10);
        rounds(bare, Math.max(claims / 4, 3));
        Histogram times = rounds(bare, Math.min(claims, 300));
        String name = "claim of " + SLOTS + " among " + conversations;
        sheet.add(name + ", p50", "ms", OpenLoop.millis(times, 50));
        sheet.add(name + ", p99", "ms", OpenLoop.millis(times, 99));
      }
    }
    String name = "claim of " + SLOTS + " among " + many;
    sheet.figure(name + ", p99 in ms", name + ", p99", Sheet.Bound.atMost(5));
    sheet.ratio(
        "p50 among " + many + " over among " + few,
        name + ", p50",
        "claim of " + SLOTS + " among " + few + ", p50",
        Sheet.Bound.atMost(1.5, 10));
  }

  private static Histogram rounds(Bare bare, int claims) {
    Histogram times = OpenLoop.histogram();
    for (int i = 0; i < claims; i++) {
      long start = System.nanoTime();
      List<Claimed> taken = bare.claim(SLOTS);
      OpenLoop.note(times, start);
      bare.done(taken);
    }
    return times;
  }

  /** Four in ten may start; two are held by another replica, two capped, two paused. */
  private static void fill(Database database, int conversations, int runsEach) {
    database.execute(
        "INSERT INTO replicas (host, pid, address, version, max_leases)"
            + " VALUES ('other', 2, 'http://127.0.0.1:1', 'bench', 100000)",
        """
        WITH made AS (
          INSERT INTO conversations (organization_id, agent_id, id)
          SELECT a.organization_id, a.id, 'q' || n
            FROM (SELECT * FROM agents LIMIT 1) a, generate_series(1, %d) n
          RETURNING key, organization_id, agent_id
        )
        INSERT INTO mailboxes (conversation_key, organization_id, agent_id, state, running,
                               pending, next_turn, tag, replica_id, epoch, paused_by)
        SELECT key, organization_id, agent_id,
               CASE WHEN key %% 10 < 4 THEN 'ready' WHEN key %% 10 < 6 THEN 'leased'
                    WHEN key %% 10 < 8 THEN 'capped' ELSE 'paused' END,
               key %% 10 IN (4, 5), %2$d - (key %% 10 IN (4, 5))::int, %2$d + 1, key,
               CASE WHEN key %% 10 IN (4, 5) THEN (SELECT max(id) FROM replicas) END, 1,
               CASE WHEN key %% 10 >= 8 THEN 'somebody' END
          FROM made
        """
            .formatted(conversations, runsEach),
        """
        INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, action_input,
                          status, attempt, epoch)
        SELECT gen_random_uuid(), m.organization_id, m.agent_id, m.conversation_key, t,
               '{"messages": []}',
               CASE WHEN m.running AND t = 1 THEN 'running' ELSE 'pending' END,
               CASE WHEN m.running AND t = 1 THEN 1 ELSE 0 END, 1
          FROM mailboxes m, generate_series(1, %d) t
        """
            .formatted(runsEach));
  }
}
