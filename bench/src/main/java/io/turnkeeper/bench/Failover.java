package io.turnkeeper.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The database itself goes away under load: it is restarted as after a crash, or a standby that
 * streamed from it takes its place. How long work stands still once there is a database again.
 */
final class Failover implements Scenario {
  private static final int PER_SECOND = 30;
  private static final int CONVERSATIONS = 12;
  private static final int REPLICAS = 3;
  private static final double BACK_MAX = 5_000;
  private static final double FAR_OFF = 20_000;
  private static final int NINETY_NINE = 99;
  private static final int FEW = 3;

  /** So that a fault comes at any moment between two looks and two heartbeats. */
  private static final int PHASE_MILLIS = 1_000;

  /** What is looked for after the database is back, and the column and table that say when. */
  private enum First {
    ACCEPTED("a message is accepted", "created_at", "runs"),
    COMPLETED("a run completes", "finished_at", "runs"),
    SAID("the next event of a long run", "created_at", "run_events");

    private final String what;
    private final String column;
    private final String table;

    First(String what, String column, String table) {
      this.what = what;
      this.column = column;
      this.table = table;
    }

    String series(DatabaseFault fault) {
      return fault.name() + ": back → " + what;
    }

    /** Milliseconds after that moment of the wall clock, which is the database's too. */
    double after(Database database, long backMillis, String run) {
      String only = this == SAID ? " AND run_id = '" + run + "'" : "";
      return database.number(
              "SELECT extract(epoch FROM min(%1$s)) * 1000 FROM %2$s WHERE %1$s >= to_timestamp(%3$d / 1000.0)"
                      .formatted(column, table, backMillis)
                  + only)
          - backMillis;
    }
  }

  @Override
  public String name() {
    return "failover";
  }

  @Override
  public String claim() {
    return "work goes on within 5 s of the database being back, and nothing is lost or doubled";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    int trials = lab.trials(lab.mode().pick(20, 2, 1));
    try (Postgres alone = Postgres.start(home(lab))) {
      measure(lab, sheet, new DatabaseFault.Restart(alone.fresh()), trials);
    }
    try (Postgres first = Postgres.start(home(lab));
        Postgres second = first.standby()) {
      measure(lab, sheet, new DatabaseFault.Promotion(first, second), trials);
    }
  }

  private static Path home(Lab lab) throws IOException {
    return Files.createDirectories(lab.scratch("server"));
  }

  private static void measure(Lab lab, Sheet sheet, DatabaseFault fault, int trials)
      throws Exception {
    try (Fleet fleet = Fleet.start(lab, REPLICAS, fault.url())) {
      fleet.addShort("short", Map.of("on_worker_loss", "retry", "max_attempts", 9));
      fleet.addTalker("long", Map.of("on_worker_loss", "fail"));
      boolean whole = true;
      try (Turns turns = Turns.start(fleet, "short", CONVERSATIONS, PER_SECOND)) {
        for (int trial = 0; trial < trials; trial++) {
          lab.progress().say(fault.name() + " " + (trial + 1) + " of " + trials);
          turns.awaitMore(PER_SECOND);
          whole &= trial(fleet, fault, turns, sheet);
        }
        turns.stop();
        sheet.holds(fault.name() + ": a reader saw every event once", whole);
        close(sheet, fault, turns, fleet);
      }
    }
    for (First first : First.values()) {
      String series = first.series(fault);
      sheet.percentile(
          "p99: " + series, series, NINETY_NINE, Sheet.Bound.atMost(BACK_MAX, FAR_OFF));
    }
  }

  /** Whether who read along read every event once. */
  private static boolean trial(Fleet fleet, DatabaseFault fault, Turns turns, Sheet sheet) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    Replica asked = fleet.replica(random.nextInt(REPLICAS));
    String thread = asked.newThread();
    String run = asked.run(thread, "long", "say 200");
    fleet.holderOf(fault.database(), run);
    try (Follower reader = Follower.start(thread, run, asked)) {
      if (!Threads.await(5, 30, () -> reader.frames().size() > 3)) {
        throw new IllegalStateException("the agent does not speak");
      }
      Threads.sleep(random.nextInt(PHASE_MILLIS));
      long gone = System.currentTimeMillis();
      fault.happen();
      long back = System.currentTimeMillis();
      sheet.add(fault.name() + ": the database was away for", "ms", back - gone);
      turns.awaitMore(2 * PER_SECOND);
      fault.heal();
      reader.whole();
      for (First first : First.values()) {
        sheet.add(first.series(fault), "ms", first.after(fault.database(), back, run));
      }
      try (Follower again = Follower.start(thread, run, fleet.replica(0))) {
        return reader.sameAs(again);
      }
    }
  }

  private static void close(Sheet sheet, DatabaseFault fault, Turns turns, Fleet fleet)
      throws Exception {
    Database database = fault.database();
    Books.Outcome outcome = Books.close(database, turns, fleet);
    sheet.note(fault.name() + ": " + outcome + ", tried again " + turns.retries());
    sheet.holds(fault.name() + ": no accepted run was lost", outcome.lost() == 0);
    sheet.holds(fault.name() + ": no run failed or was interrupted", outcome.failed() == 0);
    sheet.holds(fault.name() + ": no event was lost or doubled", outcome.torn() == 0);
    sheet.holds(fault.name() + ": no run was executed twice", outcome.doubled() == 0);
    sheet.holds(fault.name() + ": no error after tries again", turns.errors().isEmpty());
    sheet.holds(
        fault.name() + ": no replica was declared dead",
        database.number("SELECT count(*) FROM replicas WHERE state <> 'live'") == 0);
    sheet.holds(fault.name() + ": no replica logged an error", fleet.errors().isEmpty());
    turns.errors().stream().limit(FEW).forEach(sheet::note);
    fleet.errors().stream().limit(FEW).forEach(sheet::note);
  }
}
