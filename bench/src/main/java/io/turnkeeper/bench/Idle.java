package io.turnkeeper.bench;

/** What a replica does when nobody asks for anything. */
final class Idle implements Scenario {
  private static final String NONE = "with no conversations";

  @Override
  public String name() {
    return "idle";
  }

  @Override
  public String claim() {
    return "an idle replica costs a few small transactions, however many conversations there are";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int many = lab.mode().pick(100_000, 100_000, 5_000);
    String full = "with " + many + " conversations";
    for (int repeat = 0; repeat < lab.mode().pick(3, 1, 1); repeat++) {
      try (Database database = lab.postgres().fresh();
          Hosted host = Hosted.start(lab, database, 100)) {
        measure(lab, sheet, NONE, database, host);
        History.conversations(database, many);
        database.settle();
        measure(lab, sheet, full, database, host);
      }
      lab.peers(sheet).idle(lab.mode().pick(20, 10, 2));
    }
    for (String of : new String[] {NONE, full}) {
      sheet.figure(of + ", transactions", of + ", transactions", Sheet.Bound.atMost(6, 20));
      lab.peers(sheet)
          .lowest("idle", ", processor")
          .ifPresent(best ->
              sheet.ratio(
                  of + ", processor over the best peer's",
                  of + ", processor",
                  best,
                  Sheet.Bound.atMost(1)));
    }
  }

  private static void measure(
      Lab lab, Sheet sheet, String name, Database database, Hosted host) {
    int seconds = lab.mode().pick(30, 12, 4);
    lab.progress().say("idle " + name);
    Threads.sleep(2_000);
    double before = database.commits();
    double processor = host.processorSeconds();
    long start = System.nanoTime();
    Threads.sleep(seconds * 1_000L);
    double over = (System.nanoTime() - start) / 1e9;
    sheet.add(name + ", processor", "% of a core", 100 * (host.processorSeconds() - processor) / over);
    // Sessions tell the statistics of their commits once a second; asking is one more.
    sheet.add(name + ", transactions", "/s", (database.commits() - before - 1) / over);
  }
}
