package io.turnkeeper.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Each of three replicas is stopped and started again, one after the other, while clients send 50
 * messages a second and conversations whose agents are warm lie idle.
 */
final class Rolling implements Scenario {
  private static final String MOVES = "an idle conversation answers elsewhere after its holder's TERM";
  private static final String BEGINS = "a new conversation answers, for comparison";
  private static final String STOPS = "a replica stops";
  private static final String STARTS = "a replica starts";

  private static final int PER_SECOND = 50;
  private static final int CONVERSATIONS = 50;
  private static final int REPLICAS = 3;

  /** Warm and idle on the replica that is stopped next. */
  private static final int IDLE = 5;

  private static final int ASKED_MAX = 60;
  private static final double MOVES_MAX = 1_000;
  private static final double FAR_OFF = 10_000;
  private static final int NINETY_NINE = 99;
  private static final int FEW = 3;
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(30);

  @Override
  public String name() {
    return "rolling";
  }

  @Override
  public String claim() {
    return "a rolling restart under 50 turns/s fails no run, repeats none, and no client notices";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    int rounds = lab.trials(lab.mode().pick(5, 1, 1));
    try (Database database = lab.postgres().fresh();
        Fleet fleet = Fleet.start(lab, REPLICAS, database.url())) {
      fleet.addShort("short", Map.of("on_worker_loss", "fail"));
      fleet.addTalker("warm", Map.of("idle_timeout_ms", 600_000));
      try (Turns turns = Turns.start(fleet, "short", CONVERSATIONS, PER_SECOND)) {
        turns.awaitMore(PER_SECOND);
        for (int round = 0; round < rounds; round++) {
          lab.progress().say("round " + (round + 1) + " of " + rounds);
          for (Replica replica : fleet.replicas()) {
            restart(fleet, database, replica, sheet);
            turns.awaitMore(PER_SECOND);
          }
        }
        turns.stop();
        close(sheet, database, turns, fleet);
      }
    }
    sheet.percentile("p99: " + MOVES, MOVES, NINETY_NINE, Sheet.Bound.atMost(MOVES_MAX, FAR_OFF));
  }

  private static void restart(Fleet fleet, Database database, Replica replica, Sheet sheet) {
    List<String> idle = idleAt(fleet, database, replica);
    Replica asked = fleet.otherThan(replica);
    firstWord(asked, asked.newThread()).ifPresent(millis -> sheet.add(BEGINS, "ms", millis));
    long from = System.nanoTime();
    replica.terminate();
    List<Optional<Double>> moved = new CopyOnWriteArrayList<>();
    Threads.join(
        idle.stream()
            .map(it -> Thread.ofVirtual().start(() -> moved.add(firstWord(asked, it))))
            .toList());
    moved.stream().flatMap(Optional::stream).forEach(millis -> sheet.add(MOVES, "ms", millis));
    replica.awaitEnd();
    sheet.add(STOPS, "ms", (System.nanoTime() - from) / 1e6);
    long again = System.nanoTime();
    fleet.revive();
    sheet.add(STARTS, "ms", (System.nanoTime() - again) / 1e6);
  }

  /** Conversations that this replica answered, and whose agents it keeps warm. */
  private static List<String> idleAt(Fleet fleet, Database database, Replica replica) {
    List<String> idle = new ArrayList<>();
    for (int asked = 0; idle.size() < IDLE && asked < ASKED_MAX; asked++) {
      String thread = replica.newThread();
      String run = replica.run(thread, "warm", "say 1");
      Fleet.ended(replica, run, ENDS_WITHIN);
      double pid =
          database.number(
              "SELECT coalesce(max(p.pid), 0) FROM runs r JOIN mailboxes m USING (conversation_key)"
                  + " JOIN replicas p ON p.id = m.replica_id WHERE r.id = '"
                  + run
                  + "'");
      if ((long) pid == replica.pid()) {
        idle.add(thread);
      }
    }
    return idle;
  }

  /** Milliseconds from a message to the agent's first word. */
  private static Optional<Double> firstWord(Replica asked, String thread) {
    long from = System.nanoTime();
    String run = asked.run(thread, "warm", "say 1");
    try (Follower reader = Follower.start(thread, run, asked)) {
      reader.whole();
      return reader.first(it -> it.data().contains("pid ")).map(at -> (at - from) / 1e6);
    }
  }

  private static void close(Sheet sheet, Database database, Turns turns, Fleet fleet)
      throws Exception {
    Books.Outcome outcome = Books.close(database, turns, fleet);
    sheet.note(outcome + ", tried again " + turns.retries());
    for (int percent : List.of(50, NINETY_NINE)) {
      sheet.note(
          "p%d from acceptance to the end of a turn of 50 ms: %.0f ms"
              .formatted(
                  percent,
                  database.number(
                      "SELECT percentile_cont("
                          + percent / 100.0
                          + ") WITHIN GROUP (ORDER BY extract(epoch FROM r.finished_at -"
                          + " r.created_at)) * 1000 FROM runs r JOIN agents a ON a.id = r.agent_id"
                          + " WHERE a.name = 'short'")));
    }
    sheet.holds("no accepted run was lost", outcome.lost() == 0);
    sheet.holds("no run failed", outcome.failed() == 0);
    sheet.holds("no event was lost or doubled", outcome.torn() == 0);
    sheet.holds("no run was begun twice", outcome.repeated() + outcome.doubled() == 0);
    sheet.holds("no client error after tries again", turns.errors().isEmpty());
    sheet.holds("no replica logged an error", fleet.errors().isEmpty());
    turns.errors().stream().limit(FEW).forEach(sheet::note);
    fleet.errors().stream().limit(FEW).forEach(sheet::note);
  }
}
