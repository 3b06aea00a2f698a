package io.turnkeeper.bench;

/** One conversation alone: each turn waits for the one before. */
final class Solo implements Scenario {
  @Override
  public String name() {
    return "solo";
  }

  @Override
  public String claim() {
    return "one conversation back to back is bound by commits, not by sleeps";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int runs = lab.mode().pick(10_000, 4_000, 300);
    for (int repeat = 0; repeat < lab.repeats(); repeat++) {
      lab.progress().say("one conversation, " + runs + " turns");
      sheet.add("limit: commits of one client", "/s", lab.limits().insertsPerSecond(1));
      Draining.Outcome outcome = Draining.run(lab, new Draining.Load(1, runs, 1, 0));
      sheet.add("Turnkeeper", "/s", outcome.perSecond());
      sheet.holds("one at a time and in order", outcome.ordered());
    }
    sheet.ratio(
        "over the commits of one client",
        "Turnkeeper",
        "limit: commits of one client",
        Sheet.Bound.atLeast(0.5, 0.01));
  }
}
