package io.turnkeeper.bench;

import java.util.concurrent.atomic.AtomicInteger;

/** Runs a backlog down with workers that do nothing, and looks that nothing was done wrong. */
final class Draining {
  private static final int POOL = 10;
  private static final int WITHIN_SECONDS = 240;

  private Draining() {}

  /**
   * @param ordered whether each conversation's turns came one at a time and in order
   * @param settled whether each run has one terminal status and one terminal event
   */
  record Outcome(double perSecond, boolean ordered, boolean settled) {}

  /**
   * @param history ended runs that lie in the tables before
   */
  record Load(int conversations, int runs, int maxLeases, int history) {}

  static Outcome run(Lab lab, Load load) {
    Order order = new Order();
    AtomicInteger done = new AtomicInteger();
    NoopPool workers =
        new NoopPool(
            false,
            (turn, listener) -> {
              String text = turn.input().at("/messages/0/content").asString();
              order.starts(turn.threadId(), Integer.parseInt(text, 0, text.indexOf(' '), 10));
              order.ends(turn.threadId());
              done.incrementAndGet();
            });
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(load.maxLeases(), POOL, lab.scratch("drain")),
                workers)) {
      var conversations = Backlog.conversations(engine, load.conversations());
      History.fill(database, load.history());
      Backlog.runs(engine, conversations, load.runs());
      database.settle();
      long start = System.nanoTime();
      engine.join();
      Threads.await(5, WITHIN_SECONDS, () -> done.get() >= load.runs());
      // The last ones are done once they are durable.
      boolean ended = Threads.await(10, 20, () -> pending(database) == 0);
      double seconds = (System.nanoTime() - start) / 1e9;
      return new Outcome(
          load.runs() / seconds, order.kept(), ended && settled(database, load.runs()));
    }
  }

  private static double pending(Database database) {
    return database.number(
        "SELECT count(*) FROM (SELECT 1 FROM runs"
            + " WHERE status IN ('pending', 'running', 'waiting') LIMIT 1) live");
  }

  private static boolean settled(Database database, int runs) {
    return database.number(
            "SELECT count(*) FROM (SELECT e.run_id FROM run_events e"
                + " WHERE e.kind = 'run.completed' GROUP BY e.run_id HAVING count(*) = 1) once")
        == runs;
  }
}
