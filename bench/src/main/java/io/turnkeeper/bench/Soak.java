package io.turnkeeper.bench;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/** Turns and turns: what grows, what slows down, also beside a transaction that is held open. */
final class Soak implements Scenario {
  private static final int POOL = 10;
  private static final int CONVERSATIONS = 300;
  private static final int PARTS = 4;

  @Override
  public String name() {
    return "soak";
  }

  @Override
  public String claim() {
    return "neither many turns nor a transaction that somebody left open slows it down";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws SQLException {
    int turns = lab.mode().pick(1_000_000, 24_000, 1_200);
    try (Database database = lab.postgres().fresh()) {
      soak(lab, sheet, database, new Load("", turns));
    }
    try (Database database = lab.postgres().fresh();
        Connection holder = database.connect();
        Statement held = holder.createStatement()) {
      holder.setAutoCommit(false);
      soak(
          lab,
          sheet,
          database,
          new Load("a transaction is held, ", turns / 2),
          () -> {
            try {
              held.execute("SELECT pg_current_xact_id()");
            } catch (SQLException failed) {
              throw new IllegalStateException(failed);
            }
          });
    }
    sheet.ratio(
        "the last quarter's turns a second over the second's",
        "part 4",
        "part 2",
        Sheet.Bound.atLeast(0.9, 0.3));
    sheet.ratio(
        "dispatch p50 of the last quarter over the second's",
        "part 4, p50",
        "part 2, p50",
        Sheet.Bound.atMost(1.1, 5));
    sheet.ratio(
        "with a transaction held, last quarter over the second",
        "a transaction is held, part 4",
        "a transaction is held, part 2",
        Sheet.Bound.atLeast(0.9, 0.2));
    sheet.ratio(
        "size of the hot table, last quarter over the second",
        "mailboxes, part 4",
        "mailboxes, part 2",
        Sheet.Bound.atMost(1.2, 20));
  }

  private record Load(String name, int turns) {}

  private static void soak(
      Lab lab, Sheet sheet, Database database, Load load) {
    soak(lab, sheet, database, load, null);
  }

  /** Closed loops: each caller sends the next when its last was taken by a worker. */
  private static void soak(
      Lab lab, Sheet sheet, Database database, Load load, @Nullable Runnable afterFirst) {
    Histogram times = OpenLoop.histogram();
    AtomicInteger done = new AtomicInteger();
    NoopPool workers =
        new NoopPool(
            true,
            (turn, listener) -> {
              String text = turn.input().at("/messages/0/content").asString();
              OpenLoop.note(times, Long.parseLong(text, 0, text.indexOf(' '), 10));
              done.incrementAndGet();
            });
    try (Engine engine =
        Engine.prepare(
            database, new Engine.Shape(CONVERSATIONS, POOL, lab.scratch("soak")), workers)) {
      engine.join();
      for (int part = 1; part <= PARTS; part++) {
        lab.progress().say(load.name() + "part " + part + " of " + PARTS);
        times.reset();
        int count = load.turns() / PARTS;
        int until = done.get() + count;
        long start = System.nanoTime();
        ClosedLoop.run(
            16,
            count,
            number -> {
              var unused =
                  engine.post("c" + number % CONVERSATIONS, System.nanoTime() + " " + Engine.TEXT);
            });
        sheet.holds(
            load.name() + "part " + part + ": all done",
            Threads.await(2, 60, () -> done.get() >= until));
        double seconds = (System.nanoTime() - start) / 1e9;
        String name = load.name() + "part " + part;
        sheet.add(name, "/s", count / seconds);
        sheet.add(name + ", p50", "ms", OpenLoop.millis(times, 50));
        for (String table : List.of("mailboxes", "runs", "run_events")) {
          sheet.add(
              load.name() + table + ", part " + part,
              "KB",
              database.number(
                      "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('"
                          + table
                          + "') t")
                  / 1_024);
        }
        sheet.add(
            load.name() + "dead rows of mailboxes, part " + part,
            "",
            database.number(
                "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'mailboxes'"));
        if (part == 1 && afterFirst != null) {
          afterFirst.run();
        }
      }
    }
  }
}
