package io.turnkeeper.bench;

import io.turnkeeper.base.Conversation;
import java.util.List;

/** Messages that many callers send at once, each durable when it is answered. */
final class Enqueue implements Scenario {
  private static final List<Integer> CALLERS = List.of(64, 16, 1);
  private static final int CONVERSATIONS = 1_000;
  private static final int POOL = 10;

  @Override
  public String name() {
    return "enqueue";
  }

  @Override
  public String claim() {
    return "a message is durable when it is answered, whoever else sends one at the same time";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    for (int repeat = 0; repeat < lab.repeats(); repeat++) {
      sheet.add(
          "limit: one insert per commit, 64 clients", "/s", lab.limits().insertsPerSecond(64));
      for (int callers : CALLERS) {
        int calls = calls(lab, callers);
        lab.progress().say("enqueue, " + callers + " callers");
        ours(lab, sheet, callers, calls);
        lab.peers(sheet).enqueue(callers, calls / 2);
      }
      sheet.add("plain transaction, 1 caller", "ms", plainMillis(lab));
    }
    sheet.ratio(
        "64 callers, over the limit of one insert per commit",
        "Turnkeeper, 64 callers",
        "limit: one insert per commit, 64 clients",
        Sheet.Bound.atLeast(0.8, 0.03));
    sheet.ratio(
        "1 caller's median, over a plain transaction with the same rows",
        "Turnkeeper, 1 caller, median",
        "plain transaction, 1 caller",
        Sheet.Bound.atMost(1, 12));
    for (int callers : List.of(64, 16)) {
      lab.peers(sheet)
          .best("enqueue", callers + " callers")
          .ifPresent(best ->
              sheet.ratio(
                  callers + " callers, over the best peer",
                  "Turnkeeper, " + callers + " callers",
                  best,
                  Sheet.Bound.atLeast(callers == 64 ? 3 : 2)));
    }
  }

  private static int calls(Lab lab, int callers) {
    return lab.mode().pick(20_000, 8_000, 640) / (callers == 1 ? 8 : 1);
  }

  private static void ours(Lab lab, Sheet sheet, int callers, int calls) {
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(0, POOL, lab.scratch("enqueue")),
                new NoopPool(false, (turn, listener) -> {}))) {
      List<Conversation> all = Backlog.conversations(engine, CONVERSATIONS);
      ClosedLoop.run(callers, calls / 4, i -> send(engine, all, i));
      ClosedLoop.Outcome outcome = ClosedLoop.run(callers, calls, i -> send(engine, all, i));
      String who = "Turnkeeper, " + callers + (callers == 1 ? " caller" : " callers");
      sheet.add(who, "/s", outcome.perSecond());
      sheet.add(who + ", median", "ms", OpenLoop.millis(outcome.millis(), 50));
      sheet.add(who + ", p99", "ms", OpenLoop.millis(outcome.millis(), 99));
    }
  }

  private static void send(Engine engine, List<Conversation> all, int number) {
    var unused = engine.post(all.get(number % all.size()).id(), Engine.TEXT);
  }

  private static double plainMillis(Lab lab) {
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(0, 2, lab.scratch("plain")),
                new NoopPool(false, (turn, listener) -> {}))) {
      List<Conversation> all = Backlog.conversations(engine, CONVERSATIONS);
      try (PlainTransaction plain = new PlainTransaction(database, all)) {
        int calls = calls(lab, 1);
        ClosedLoop.run(1, calls / 4, plain::send);
        return OpenLoop.millis(ClosedLoop.run(1, calls, plain::send).millis(), 50);
      }
    }
  }
}
