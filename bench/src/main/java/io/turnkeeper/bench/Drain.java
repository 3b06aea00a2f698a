package io.turnkeeper.bench;

/** A backlog over many conversations, each in its order, as fast as it will go. */
final class Drain implements Scenario {
  private static final int CONVERSATIONS = 1_000;

  @Override
  public String name() {
    return "drain";
  }

  @Override
  public String claim() {
    return "runs of 1,000 conversations, one at a time and in order in each, every end durable";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    int runs = lab.mode().pick(100_000, 30_000, 2_000);
    int conversations = Math.min(CONVERSATIONS, runs / 10);
    for (int repeat = 0; repeat < lab.repeats(); repeat++) {
      sheet.add("limit: rows in commits of 100", "/s", lab.limits().batchedRowsPerSecond());
      lab.progress().say("drain of " + runs + " runs over " + conversations + " conversations");
      Draining.Outcome outcome =
          Draining.run(lab, new Draining.Load(conversations, runs, conversations, 0));
      sheet.add("Turnkeeper", "/s", outcome.perSecond());
      sheet.holds("one at a time and in order", outcome.ordered());
      sheet.holds("one terminal status and event for each", outcome.settled());
      lab.peers(sheet).drain(runs);
    }
    lab.peers(sheet)
        .best("drain", "in order")
        .ifPresent(best ->
            sheet.ratio(
                "over the best peer that keeps the order",
                "Turnkeeper",
                best,
                Sheet.Bound.atLeast(2)));
    sheet.ratio(
        "over pg-boss's groups, which do not keep it",
        "Turnkeeper",
        "pg-boss, unordered groups",
        Sheet.Bound.atLeast(1));
    sheet.ratio(
        "over rows in commits of 100",
        "Turnkeeper",
        "limit: rows in commits of 100",
        Sheet.Bound.atLeast(0.1, 0.001));
  }
}
