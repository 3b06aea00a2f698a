package io.turnkeeper.bench;

import io.turnkeeper.base.RunId;
import java.util.List;
import java.util.UUID;
import org.HdrHistogram.Histogram;

/** Whose a run is, however many there are. */
final class Ownership implements Scenario {
  private static final String SOME =
      "SELECT id FROM runs WHERE id > md5('any')::uuid ORDER BY id LIMIT 200";

  @Override
  public String name() {
    return "ownership";
  }

  @Override
  public String claim() {
    return "whether a run is in a token's scope is one look, however many runs there are";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    List<Integer> sizes =
        switch (lab.mode()) {
          case FULL -> List.of(1_000, 100_000, 1_000_000, 10_000_000);
          case SHORT -> List.of(1_000, 100_000, 1_000_000);
          case SMOKE -> List.of(1_000, 20_000);
        };
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(0, 4, lab.scratch("ownership")),
                new NoopPool(false, (turn, listener) -> {}))) {
      int there = 0;
      for (int size : sizes) {
        lab.progress().say("a run among " + size);
        History.fill(database, size - there, "old" + size + "-");
        there = size;
        database.settle();
        List<RunId> runs = some(engine);
        ask(engine, runs, lab.mode().pick(5_000, 2_000, 200));
        for (int repeat = 0; repeat < lab.repeats(); repeat++) {
          Histogram times = ask(engine, runs, lab.mode().pick(10_000, 3_000, 300));
          sheet.add("among " + size + ", p50", "ms", OpenLoop.millis(times, 50));
        }
      }
    }
    sheet.ratio(
        "among " + sizes.getLast() + " over among " + sizes.getFirst(),
        "among " + sizes.getLast() + ", p50",
        "among " + sizes.getFirst() + ", p50",
        Sheet.Bound.atMost(1.25, 5));
  }

  private static List<RunId> some(Engine engine) {
    return engine
        .db()
        .inTx(tx -> tx.query(SOME).mapTo(UUID.class).list().stream().map(RunId::new).toList());
  }

  private static Histogram ask(Engine engine, List<RunId> runs, int times) {
    return ClosedLoop.run(
            1,
            times,
            number -> {
              RunId run = runs.get(number % runs.size());
              if (engine
                  .db()
                  .inTx(
                      engine.organization(),
                      tx -> engine.queue().run(tx, engine.organization(), run))
                  .isEmpty()) {
                throw new IllegalStateException("a run is not there");
              }
            })
        .millis();
  }
}
