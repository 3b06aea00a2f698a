package io.turnkeeper.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * SIGKILL of the replica that executes a run, out of three, while a client reads along on another
 * one: how long until the conversation is somebody else's, until the run goes on, and until the
 * client sees it.
 */
final class Takeover implements Scenario {
  private static final String TAKEN = "kill → another replica holds the lease";
  private static final String GOES_ON = "kill → the run goes on (next attempt, or its end)";
  private static final String SEEN = "kill → a client elsewhere sees what became of it";
  private static final String SPEAKS = "kill → that client reads the next attempt's first word";
  private static final String AGENT_GONE = "kill → the dead replica's agent is gone";

  private static final double P50_MAX = 600;
  private static final double P99_MAX = 1_500;

  /** Each replica has served so many turns before anything is killed, as in a service that runs. */
  private static final int TURNS_BEFORE = 10;

  private static final int NINETY_NINE = 99;
  private static final double FAR_OFF = 6_000;
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(30);
  private static final Pattern PID = Pattern.compile("pid (\\d+)");
  private static final List<String> POLICIES = List.of("retry", "resume", "fail");

  /** So that a kill comes at any moment between two looks and two heartbeats. */
  private static final int PHASE_MILLIS = 1_000;

  @Override
  public String name() {
    return "takeover";
  }

  @Override
  public String claim() {
    return "a killed replica's run goes on elsewhere in about half a second";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    int trials = lab.trials(lab.mode().pick(100, 5, 1));
    try (Database database = lab.postgres().fresh();
        Fleet fleet = Fleet.start(lab, 3, database.url())) {
      for (String policy : POLICIES) {
        fleet.addTalker(policy, Map.of("on_worker_loss", policy));
      }
      boolean whole = true;
      boolean unknown = true;
      fleet.warm("retry", TURNS_BEFORE);
      for (int trial = 0; trial < trials; trial++) {
        lab.progress().say("trial " + (trial + 1) + " of " + trials);
        Outcome outcome = trial(fleet, database, sheet, POLICIES.get(trial % POLICIES.size()));
        whole &= outcome.whole();
        unknown &= outcome.unknown();
        if (trial + 1 < trials) {
          fleet.revive();
          fleet.warm("retry", TURNS_BEFORE);
        }
      }
      sheet.holds("the reader saw every event once, as who reads again", whole);
      sheet.holds("the call under way was marked: outcome unknown", unknown);
      sheet.holds("no replica logged an error", fleet.errors().isEmpty());
      fleet.errors().stream().limit(3).forEach(sheet::note);
    }
    for (String what : List.of(TAKEN, GOES_ON, SEEN, SPEAKS)) {
      sheet.figure("p50: " + what, what, Sheet.Bound.atMost(P50_MAX, FAR_OFF));
      sheet.percentile("p99: " + what, what, NINETY_NINE, Sheet.Bound.atMost(P99_MAX));
    }
  }

  /**
   * @param whole the client read every event once
   * @param unknown it was told that nobody knows what became of a tool's call
   */
  private record Outcome(boolean whole, boolean unknown) {}

  private static Outcome trial(Fleet fleet, Database database, Sheet sheet, String policy)
      throws Exception {
    Replica asked = fleet.replica(ThreadLocalRandom.current().nextInt(fleet.replicas().size()));
    String thread = asked.newThread();
    String run = asked.run(thread, policy, "say 400");
    Replica holder = fleet.holderOf(database, run);
    Replica reading = fleet.otherThan(holder);
    Replica other = fleet.otherThan(holder, reading);
    try (Follower reader = Follower.start(thread, run, reading, other);
        Watch watch = new Watch(database, run)) {
      if (!Threads.await(5, 30, () -> reader.frames().size() > 10)) {
        throw new IllegalStateException("the agent does not speak");
      }
      Threads.sleep(ThreadLocalRandom.current().nextInt(PHASE_MILLIS));
      long agent = agent(reader);
      watch.begin();
      long killed = System.nanoTime();
      CompletableFuture<Long> gone = CompletableFuture.supplyAsync(() -> whenGone(agent));
      holder.kill();
      reader.whole();
      watch.join();
      JsonNode ended = Fleet.ended(reading, run, ENDS_WITHIN);
      holder.awaitEnd();
      since(sheet, TAKEN, killed, watch.taken());
      since(sheet, GOES_ON, killed, watch.goesOn());
      since(sheet, SEEN, killed, reader.first(it -> it.data().contains("outcome unknown")));
      since(sheet, SPEAKS, killed, reader.first(it -> it.data().contains("\"again \"")));
      sheet.add(AGENT_GONE, "ms", millis(killed, gone.join()));
      String wanted = policy.equals("fail") ? "failed" : "completed";
      if (!ended.path("status").asString("").equals(wanted)) {
        throw new IllegalStateException("the run is not " + wanted + ": " + ended);
      }
      try (Follower again = Follower.start(thread, run, other)) {
        return new Outcome(
            reader.sameAs(again),
            reader.first(it -> it.data().contains("outcome unknown")).isPresent());
      }
    }
  }

  /** Who has ended keeps its number until its parent looks: that is gone too. */
  private static long whenGone(long pid) {
    Path stat = Path.of("/proc/" + pid + "/stat");
    boolean gone =
        Threads.await(
            2,
            20,
            () -> {
              try {
                return Files.readString(stat).contains(") Z");
              } catch (IOException none) {
                return true;
              }
            });
    if (!gone) {
      throw new IllegalStateException("the dead replica's agent lives on");
    }
    return System.nanoTime();
  }

  private static long agent(Follower reader) {
    for (Follower.Frame frame : reader.frames()) {
      Matcher pid = PID.matcher(frame.data());
      if (pid.find()) {
        return Long.parseLong(pid.group(1));
      }
    }
    throw new IllegalStateException("the agent did not say its process id");
  }

  private static void since(Sheet sheet, String name, long killed, Optional<Long> at) {
    at.ifPresent(nanos -> sheet.add(name, "ms", millis(killed, nanos)));
  }

  private static double millis(long from, long to) {
    return (to - from) / 1e6;
  }

  /** Looks at the run and its lease in the database every other millisecond, as anybody might. */
  private static final class Watch implements AutoCloseable {
    private static final String LOOK =
        """
        SELECT m.epoch, coalesce(m.replica_id, -1) AS holder, r.attempt, r.status
          FROM runs r JOIN mailboxes m USING (conversation_key) WHERE r.id = ?
        """;

    private final Connection connection;
    private final PreparedStatement look;
    private final Thread thread;
    private long epoch;
    private long holder;
    private volatile boolean over;
    private volatile long takenNanos;
    private volatile long goesOnNanos;

    Watch(Database database, String run) throws SQLException {
      connection = database.connect();
      look = connection.prepareStatement(LOOK);
      look.setObject(1, UUID.fromString(run));
      thread = Thread.ofPlatform().daemon().name("watch").unstarted(this::watch);
    }

    /** Remembers how it is. */
    void begin() throws SQLException {
      try (ResultSet row = look.executeQuery()) {
        row.next();
        epoch = row.getLong(1);
        holder = row.getLong(2);
      }
      thread.start();
    }

    private void watch() {
      try {
        while (!over && goesOnNanos == 0) {
          try (ResultSet row = look.executeQuery()) {
            long now = System.nanoTime();
            row.next();
            if (takenNanos == 0 && row.getLong(1) > epoch && row.getLong(2) != holder) {
              takenNanos = now;
            }
            String status = row.getString(4);
            if ((row.getInt(3) > 1 && status.equals("running")) || status.equals("failed")) {
              goesOnNanos = now;
            }
          }
          Threads.sleep(2);
        }
      } catch (SQLException failed) {
        throw new IllegalStateException(failed);
      }
    }

    void join() {
      over = true;
      Threads.join(List.of(thread));
    }

    Optional<Long> taken() {
      return takenNanos == 0 ? Optional.empty() : Optional.of(takenNanos);
    }

    Optional<Long> goesOn() {
      return goesOnNanos == 0 ? Optional.empty() : Optional.of(goesOnNanos);
    }

    @Override
    public void close() throws SQLException {
      over = true;
      connection.close();
    }
  }
}
