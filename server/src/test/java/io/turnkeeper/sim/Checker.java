package io.turnkeeper.sim;

import io.turnkeeper.worker.Turn;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The promises, looked at after every commit that could break one: against the state before it, and
 * against what was promised to clients.
 */
final class Checker {
  private static final Set<String> ENDS =
      Set.of("run.completed", "run.failed", "run.cancelled", "run.timeout");
  private static final Set<String> ENDED = Set.of("completed", "failed", "cancelled", "timeout");

  private static final String LOOK =
      """
      SELECT conversation_key, state, running, pending, coalesce(replica_id, 0) AS replica_id,
             next_turn, epoch
        FROM mailboxes ORDER BY conversation_key;
      SELECT r.id, r.conversation_key, r.turn, r.status, r.attempt, coalesce(r.epoch, 0) AS epoch,
             r.agent_id
        FROM runs r ORDER BY r.conversation_key, r.turn;
      SELECT e.run_id, e.seq, e.kind, e.data::text AS data
        FROM run_events e ORDER BY e.run_id, e.seq;
      SELECT id, state,
             (extract(epoch FROM current_setting('sim.clock')::timestamptz - heartbeat_at) * 1000)
               ::bigint AS silent_ms
        FROM replicas ORDER BY id;
      SELECT run_id, epoch, completed FROM snapshots
      """;

  /** An event as it stands in the log. */
  record Entry(int seq, String kind, String data) {}

  /** What an agent said, and for which attempt. */
  private record Words(String process, int attempt) {
    private static final Pattern IN = Pattern.compile("\"(p\\d+)/(\\d+)/\\d+ \"");

    static Optional<Words> of(Entry entry) {
      Matcher words = IN.matcher(entry.kind().equals("agent.update") ? entry.data() : "");
      return words.find()
          ? Optional.of(new Words(words.group(1), Integer.parseInt(words.group(2))))
          : Optional.empty();
    }
  }

  private record Attempt(String run, int number) {}

  record Box(String state, boolean running, int pending, int replica, long nextTurn, long epoch) {}

  record Row(
      long conversation,
      long turn,
      String status,
      int attempt,
      long epoch,
      UUID agent,
      List<Entry> log) {
    int events() {
      return log.size();
    }

    int lastSeq() {
      return log.isEmpty() ? 0 : log.getLast().seq();
    }

    long ends() {
      return log.stream().filter(entry -> ENDS.contains(entry.kind())).count();
    }

    @Nullable String lastKind() {
      return log.isEmpty() ? null : log.getLast().kind();
    }

    boolean ended() {
      return ENDED.contains(status);
    }

    boolean underWay() {
      return status.equals("running") || status.equals("waiting");
    }
  }

  record Member(String state, long silentMillis) {
    boolean alive() {
      return state.equals("live") || state.equals("draining");
    }
  }

  record Kept(long epoch, boolean completed) {}

  /** The last time that a process was without its lock. */
  private record Gone(long sinceNanos, long untilNanos) {}

  record State(
      Map<Long, Box> boxes,
      Map<UUID, Row> runs,
      Map<Integer, Member> members,
      Map<UUID, Kept> snapshots) {}

  private final Duration ttl;
  private final Duration grace;
  private final SimDatabase database;
  private final PreparedStatement look;
  private final Map<String, SimProcess> working = new HashMap<>();
  private final Map<SimProcess, Gone> lockGone = new HashMap<>();
  private final Set<UUID> accepted = new LinkedHashSet<>();
  private final Set<UUID> failing = new HashSet<>();
  private final Map<Attempt, String> said = new HashMap<>();
  private final Set<Attempt> prompted = new HashSet<>();
  private State last = new State(Map.of(), Map.of(), Map.of(), Map.of());
  private @Nullable Engine engine;

  /** Violations found by code that runs on actors: thrown by the next look. */
  private @Nullable String found;

  long looks;

  Checker(SimDatabase database, Duration ttl, Duration grace) throws SQLException {
    this.ttl = ttl;
    this.grace = grace;
    this.database = database;
    this.look = database.look(LOOK);
  }

  void engine(Engine on) {
    engine = on;
  }

  State last() {
    return last;
  }

  /** A client was told that this run is accepted. */
  void accepted(UUID run) {
    accepted.add(run);
  }

  Set<UUID> accepted() {
    return accepted;
  }

  /** Runs of this agent are not to be worked on again once it has shown something. */
  void failing(UUID agent) {
    failing.add(agent);
  }

  /** An agent has been given an attempt of a run. */
  void prompted(Turn turn) {
    if (!prompted.add(new Attempt(turn.runId(), turn.attempt()))) {
      broken("attempt " + turn.attempt() + " of run " + turn.runId() + " was begun twice");
    }
  }

  void said(Turn turn, String words) {
    said.merge(new Attempt(turn.runId(), turn.attempt()), words, String::concat);
  }

  /** A promise was seen broken by who may not throw it here: the next look does. */
  void broken(String what) {
    if (found == null) {
      found = what;
    }
  }

  void workerStarted(SimProcess process, SimWorkers.Agent agent) {
    SimProcess other = working.put(agent.conversation(), process);
    if (other != null) {
      broken(
          "two live workers of conversation %s: on %s and on %s"
              .formatted(agent.conversation(), other, process));
    }
  }

  void workerEnded(SimProcess process, SimWorkers.Agent agent) {
    working.remove(agent.conversation(), process);
  }

  int workers() {
    return working.size();
  }

  void lockGone(SimProcess process) {
    lockGone.put(process, new Gone(engine == null ? 0 : engine.nanos(), Long.MAX_VALUE));
  }

  void lockBack(SimProcess process) {
    lockGone.computeIfPresent(
        process, (key, gone) -> new Gone(gone.sinceNanos(), engine == null ? 0 : engine.nanos()));
  }

  void throwFound() {
    if (found != null) {
      throw new Violation(found);
    }
  }

  /** A transaction of the process that wrote something is committed. */
  void committed(Link link, String what) {
    SimProcess by = link.process;
    looks++;
    throwFound();
    State now = read();
    try {
      structure(now);
      growth(last, now);
      order(last, now);
      writer(last, now, by);
      words(last, now, by);
      answers(now);
      burials(last, now, link);
    } catch (Violation broken) {
      throw new Violation(broken.getMessage() + " (after a commit of " + what + ")");
    }
    last = now;
  }

  private static void require(boolean holds, String what) {
    if (!holds) {
      throw new Violation(what);
    }
  }

  /** What must hold of any one state. */
  private void structure(State now) {
    Map<Long, List<Row>> byBox =
        now.runs().values().stream().collect(Collectors.groupingBy(Row::conversation));
    now.boxes()
        .forEach((key, box) -> {
          List<Row> runs = byBox.getOrDefault(key, List.of());
          String name = "conversation " + key + ": ";
          long pending = runs.stream().filter(run -> run.status().equals("pending")).count();
          long underWay = runs.stream().filter(Row::underWay).count();
          require(
              pending == box.pending(),
              name + box.pending() + " counted as pending, " + pending + " are");
          require(
              underWay == (box.running() ? 1 : 0),
              name + underWay + " runs under way, running is " + box.running());
          Member holder = now.members().get(box.replica());
          require(
              box.replica() == 0 || holder != null && holder.alive(),
              name + "leased by replica " + box.replica() + ", which is no more");
          require(
              runs.stream().filter(Row::underWay).allMatch(r -> r.epoch() == box.epoch()),
              name + "a run under way in another epoch than its lease");
          long turn = 0;
          for (Row run : runs) {
            require(run.turn() == ++turn, name + "turn " + run.turn() + " is out of line");
          }
          require(turn + 1 == box.nextTurn(), name + "next turn is " + box.nextTurn());
        });
    now.runs()
        .forEach((id, run) -> {
          String name = "run " + run.turn() + " of " + run.conversation() + ": ";
          require(run.events() == run.lastSeq(), name + "a gap in its events");
          require(
              run.ends() == (run.ended() ? 1 : 0),
              name + run.status() + " with " + run.ends() + " terminal events");
          require(
              !run.ended() || ("run." + run.status()).equals(run.lastKind()),
              name + run.status() + ", its last event is " + run.lastKind());
        });
    for (UUID id : accepted) {
      require(now.runs().containsKey(id), "accepted run " + id + " is gone");
    }
    now.snapshots()
        .forEach((id, kept) -> {
          Row run = now.runs().get(id);
          require(
              !kept.completed() || run != null && run.status().equals("completed"),
              "a snapshot to restore from of a run that is not completed");
        });
  }

  private static void growth(State before, State now) {
    before
        .boxes()
        .forEach((key, box) -> {
          Box then = now.boxes().get(key);
          require(then != null, "mailbox " + key + " is gone");
          if (then != null) {
            require(then.epoch() >= box.epoch(), "the epoch of " + key + " goes back");
            require(
                then.replica() == box.replica()
                    || then.replica() == 0
                    || then.epoch() > box.epoch(),
                "the lease of " + key + " changes hands without a new epoch");
          }
        });
    before
        .runs()
        .forEach((id, run) -> {
          Row then = now.runs().get(id);
          require(then != null, "run " + id + " is gone");
          if (then != null) {
            String name = "run " + run.turn() + " of " + run.conversation() + ": ";
            // One that nobody had begun to work on does not count.
            int least = run.underWay() && then.status().equals("pending") ? 1 : 0;
            require(then.attempt() >= run.attempt() - least, name + "its attempts go back");
            require(then.events() >= run.events(), name + "events are gone");
            require(then.epoch() >= run.epoch(), name + "its epoch goes back");
            require(
                !run.ended() || then.status().equals(run.status()),
                name + "ended twice: " + run.status() + ", then " + then.status());
            require(!run.ended() || then.events() == run.events(), name + "events after its end");
            require(
                then.events() < run.events()
                    || then.log().subList(0, run.events()).equals(run.log()),
                name + "an event is another than it was");
          }
        });
  }

  /** The runs of a conversation start in the order of acceptance, one at a time. */
  private static void order(State before, State now) {
    now.runs()
        .forEach((id, run) -> {
          Row was = before.runs().get(id);
          if (run.attempt() > (was == null ? 0 : was.attempt())) {
            now.runs().values().stream()
                .filter(o -> o.conversation() == run.conversation() && o.turn() < run.turn())
                .forEach(earlier ->
                    require(
                        earlier.ended(),
                        "run %d of %d started before run %d had ended"
                            .formatted(run.turn(), run.conversation(), earlier.turn())));
          }
        });
  }

  /** Whatever was written for a run that is or was under way, its holder wrote. */
  private static void writer(State before, State now, SimProcess by) {
    now.runs()
        .forEach((id, run) -> {
          Row was = before.runs().get(id);
          boolean unstarted = was == null || was.status().equals("pending");
          boolean endedUnstarted =
              unstarted && run.ended() && run.attempt() == (was == null ? 0 : was.attempt());
          Kept kept = now.snapshots().get(id);
          boolean saved = kept != null && !kept.equals(before.snapshots().get(id));
          boolean changed =
              was == null
                  ? run.events() > 0
                  : run.events() != was.events()
                      || !run.status().equals(was.status())
                      || run.attempt() != was.attempt();
          if ((!changed && !saved) || endedUnstarted) {
            return;
          }
          require(
              mayWrite(before, now, run.conversation(), by),
              "%s wrote for run %d of %d, which it does not hold: %s → %s"
                  .formatted(by, run.turn(), run.conversation(), was, run));
          require(
              !saved || kept == null || kept.epoch() == run.epoch(),
              "a snapshot of another epoch than its run's");
        });
  }

  /** Each word is of the attempt under way, and written by who has it. */
  private void words(State before, State now, SimProcess by) {
    now.runs()
        .forEach((id, run) -> {
          Row was = before.runs().get(id);
          int known = was == null ? 0 : was.events();
          String name = "run " + run.turn() + " of " + run.conversation() + ": ";
          for (Entry entry : run.log().subList(Math.min(known, run.events()), run.events())) {
            Words.of(entry)
                .ifPresent(words ->
                    require(
                        words.process().equals(by.name)
                            && (words.attempt() == run.attempt()
                                || was != null && words.attempt() == was.attempt()),
                        name + by + " wrote in attempt " + run.attempt() + ": " + entry));
          }
          if (failing.contains(run.agent())) {
            run.log().stream()
                .flatMap(entry -> Words.of(entry).stream())
                .forEach(words ->
                    require(
                        words.attempt() == run.attempt(),
                        name + "begun again, though its agent had said something"));
          }
        });
  }

  /** The terminal event of a completed run holds all that its last attempt said. */
  private void answers(State now) {
    now.runs()
        .forEach((id, run) -> {
          if (run.status().equals("completed")) {
            String all = said.getOrDefault(new Attempt(id.toString(), run.attempt()), "").strip();
            require(
                run.log().getLast().data().contains(all),
                "run %d of %d: its terminal event lacks some of '%s': %s"
                    .formatted(run.turn(), run.conversation(), all, run.log().getLast()));
          }
        });
  }

  private static boolean mayWrite(State before, State now, long conversation, SimProcess by) {
    Box was = before.boxes().get(conversation);
    Box is = now.boxes().get(conversation);
    if (is != null && by.ids.contains(is.replica())) {
      return true;
    }
    if (was == null || was.replica() == 0) {
      return false;
    }
    if (by.ids.contains(was.replica())) {
      return true;
    }
    Member then = now.members().get(was.replica());
    Member holder = before.members().get(was.replica());
    boolean buriedNow =
        holder != null && holder.alive() && then != null && then.state().equals("dead");
    return buriedNow;
  }

  /** Only the dead are buried: a replica that was merely slow to come back is not. */
  private void burials(State before, State now, Link by) {
    Engine on = engine;
    if (on == null) {
      return;
    }
    now.members()
        .forEach((id, member) -> {
          Member was = before.members().get(id);
          if (!member.state().equals("dead") || was == null || !was.alive()) {
            return;
          }
          SimProcess dead =
              on.processes.stream().filter(p -> p.ids.contains(id)).findFirst().orElse(null);
          boolean silent = member.silentMillis() > ttl.toMillis();
          boolean current = dead != null && !dead.dead && dead.cluster.replica().orElse(-1) == id;
          Gone gone = dead == null ? null : lockGone.get(dead);
          boolean withoutLock =
              !current
                  || gone != null
                      // All locks are gone with the server: that says nothing of anybody.
                      && gone.sinceNanos() != on.serverStartedNanos()
                      // Whoever buries looks once more, at the end.
                      && gone.untilNanos() >= by.lookedNanos
                      && Math.min(on.nanos(), gone.untilNanos()) - gone.sinceNanos()
                          >= grace.toNanos() / 2;
          require(
              silent || withoutLock,
              "%s buried replica %d (%s), silent for %d ms, its lock %s"
                  .formatted(by.process, id, dead, member.silentMillis(), gone));
        });
  }

  State read() {
    try {
      Instant at = engine == null ? Engine.START : engine.now();
      database.own().stamp(new SimDatabase.Time(at, at, at));
      boolean results = look.execute();
      if (!results) {
        throw new IllegalStateException("no results");
      }
      Map<Long, Box> boxes = new LinkedHashMap<>();
      try (ResultSet row = look.getResultSet()) {
        while (row.next()) {
          boxes.put(
              row.getLong(1),
              new Box(
                  row.getString(2),
                  row.getBoolean(3),
                  row.getInt(4),
                  row.getInt(5),
                  row.getLong(6),
                  row.getLong(7)));
        }
      }
      look.getMoreResults();
      Map<UUID, Row> runs = new LinkedHashMap<>();
      try (ResultSet row = look.getResultSet()) {
        while (row.next()) {
          runs.put(
              row.getObject(1, UUID.class),
              new Row(
                  row.getLong(2),
                  row.getLong(3),
                  row.getString(4),
                  row.getInt(5),
                  row.getLong(6),
                  row.getObject(7, UUID.class),
                  new ArrayList<>()));
        }
      }
      look.getMoreResults();
      try (ResultSet row = look.getResultSet()) {
        while (row.next()) {
          Row run = runs.get(row.getObject(1, UUID.class));
          require(run != null, "an event of a run that is not there");
          if (run != null) {
            run.log().add(new Entry(row.getInt(2), row.getString(3), row.getString(4)));
          }
        }
      }
      look.getMoreResults();
      Map<Integer, Member> members = new LinkedHashMap<>();
      try (ResultSet row = look.getResultSet()) {
        while (row.next()) {
          members.put(row.getInt(1), new Member(row.getString(2), row.getLong(3)));
        }
      }
      look.getMoreResults();
      Map<UUID, Kept> snapshots = new LinkedHashMap<>();
      try (ResultSet row = look.getResultSet()) {
        while (row.next()) {
          snapshots.put(row.getObject(1, UUID.class), new Kept(row.getLong(2), row.getBoolean(3)));
        }
      }
      return new State(boxes, runs, members, snapshots);
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }
}
