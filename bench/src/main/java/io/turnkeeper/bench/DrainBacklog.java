package io.turnkeeper.bench;

import java.util.List;

/** The same drain whatever waits behind it and whatever has been. */
final class DrainBacklog implements Scenario {
  private static final int CONVERSATIONS = 1_000;

  @Override
  public String name() {
    return "drain-backlog";
  }

  @Override
  public String claim() {
    return "what is queued and what has been does not slow a drain down";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int most = lab.mode().pick(1_000_000, 100_000, 2_000);
    int history = lab.mode().pick(10_000_000, 1_000_000, 20_000);
    List<Integer> sizes = List.of(Math.max(1_000, most / 100), most / 10, most);
    for (int repeat = 0; repeat < lab.mode().pick(3, 1, 1); repeat++) {
      for (int runs : sizes) {
        lab.progress().say("drain of " + runs + " runs");
        measure(lab, sheet, "backlog of " + runs, runs, 0);
      }
      lab.progress().say("drain with " + history + " ended runs in the tables");
      measure(lab, sheet, "with " + history + " ended runs", sizes.get(1), history);
    }
    for (int runs : List.of(sizes.get(0), most)) {
      sheet.ratio(
          "backlog of " + runs + " over that of " + sizes.get(1),
          "backlog of " + runs,
          "backlog of " + sizes.get(1),
          Sheet.Bound.atLeast(0.9, 0.1));
    }
    sheet.ratio(
        "with history over without",
        "with " + history + " ended runs",
        "backlog of " + sizes.get(1),
        Sheet.Bound.atLeast(0.9, 0.1));
  }

  private static void measure(Lab lab, Sheet sheet, String name, int runs, int history) {
    int conversations = Math.min(CONVERSATIONS, runs / 10);
    Draining.Outcome outcome =
        Draining.run(lab, new Draining.Load(conversations, runs, conversations, history));
    sheet.add(name, "/s", outcome.perSecond());
    sheet.holds(name + ": one at a time and in order", outcome.ordered());
  }
}
