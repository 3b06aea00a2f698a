package io.turnkeeper.bench;

import io.turnkeeper.queue.Claimed;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** Many conversations held by one replica, and how fast they come and go. */
final class LeaseRate implements Scenario {
  private static final int CONNECTIONS_MAX = 12;
  private static final int POOL = 10;
  private static final int AT_ONCE = 500;

  /** Pairs a second by ten callers of the reference, on the machine of its measurements. */
  private static final double REFERENCE = 7_800;

  @Override
  public String name() {
    return "leases";
  }

  @Override
  public String claim() {
    return "one replica holds ten thousand conversations on a few connections";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int many = lab.mode().pick(10_000, 10_000, 500);
    for (int repeat = 0; repeat < lab.mode().pick(3, 1, 1); repeat++) {
      hold(lab, sheet, many);
      pairs(lab, sheet, many);
    }
    sheet.figure("connections", "connections", Sheet.Bound.atMost(CONNECTIONS_MAX, 14));
    sheet.figure(
        "pairs a second; five times the reference's",
        "acquire, end its run, release",
        Sheet.Bound.atLeast(5 * REFERENCE));
    sheet.ratio(
        "pairs over rows in commits of 100",
        "acquire, end its run, release",
        "limit: rows in commits of 100",
        Sheet.Bound.atLeast(0.05, 0.001));
  }

  private static void hold(Lab lab, Sheet sheet, int many) {
    AtomicInteger done = new AtomicInteger();
    lab.progress().say(many + " conversations held at once");
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(many, POOL, lab.scratch("leases")),
                new NoopPool(true, (turn, listener) -> done.incrementAndGet()))) {
      Backlog.runs(engine, Backlog.conversations(engine, many), many);
      database.settle();
      long start = System.nanoTime();
      engine.join();
      boolean all = Threads.await(10, 120, () -> done.get() == many);
      sheet.add("acquired with a turn each", "/s", done.get() * 1e9 / (System.nanoTime() - start));
      sheet.holds("all held at once", all && engine.held() == many);
      sheet.add(
          "connections",
          "",
          database.number(
              "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                  + " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"));
    }
  }

  private static void pairs(Lab lab, Sheet sheet, int many) {
    lab.progress().say("acquire and release");
    sheet.add("limit: rows in commits of 100", "/s", lab.limits().batchedRowsPerSecond());
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(0, POOL, lab.scratch("pairs")),
                new NoopPool(false, (turn, listener) -> {}))) {
      Bare bare = Bare.in(database, engine);
      int rounds = 3;
      Backlog.runs(engine, Backlog.conversations(engine, many), rounds * many);
      database.settle();
      bare.done(bare.claim(AT_ONCE));
      int pairs = 0;
      long start = System.nanoTime();
      for (List<Claimed> taken = bare.claim(AT_ONCE);
          !taken.isEmpty();
          taken = bare.claim(AT_ONCE)) {
        bare.done(taken);
        pairs += taken.size();
      }
      sheet.add("acquire, end its run, release", "/s", pairs * 1e9 / (System.nanoTime() - start));
    }
  }
}
