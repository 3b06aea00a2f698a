package io.turnkeeper.bench;

import java.nio.file.Path;

/** From the launcher until the replica serves, and what it takes while nobody asks anything. */
final class Start implements Scenario {
  private static final int MEGABYTE = 1 << 20;

  @Override
  public String name() {
    return "start";
  }

  @Override
  public String claim() {
    return "a replica is ready in moments and small at idle";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    lab.progress().say("the launcher builds what is stale");
    try (Database database = lab.postgres().fresh();
        Replica first = Replica.start(lab, lab.scratch("first"), database)) {
      sheet.note("the first start, with whatever was to be built and migrated, is not counted");
      first.close();
      Path data = lab.scratch("external");
      for (int repeat = 0; repeat < lab.mode().pick(10, 5, 1); repeat++) {
        lab.progress().say("external database");
        try (Replica replica = Replica.start(lab, data, database)) {
          sheet.add("external database", "s", replica.readyAfterSeconds());
          Threads.sleep(lab.mode().pick(10_000, 4_000, 500));
          sheet.add("resident at idle", "MB", replica.residentBytes() / (double) MEGABYTE);
        }
      }
    }
    Path data = lab.scratch("embedded");
    for (int repeat = 0; repeat < lab.mode().pick(6, 4, 1); repeat++) {
      lab.progress().say("embedded database");
      try (Replica replica = Replica.start(lab, data, null)) {
        if (repeat > 0 || lab.mode() == Mode.SMOKE) {
          sheet.add("warm embedded database", "s", replica.readyAfterSeconds());
        }
      }
    }
    sheet.figure("external database, s", "external database", Sheet.Bound.atMost(1.5));
    sheet.figure("warm embedded database, s", "warm embedded database", Sheet.Bound.atMost(3));
    sheet.figure("resident at idle, MB", "resident at idle", Sheet.Bound.atMost(250));
  }
}
