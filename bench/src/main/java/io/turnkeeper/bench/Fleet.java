package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** Several replicas on one database: one service. */
final class Fleet implements AutoCloseable {
  private static final int BEGINS_WITHIN = 60;
  private static final Duration WARM_WITHIN = Duration.ofSeconds(30);

  /** Another replica may take what this one is asked for. */
  private static final int TRIES_MAX = 5;

  /**
   * An ACP agent in the shell, so that little of what is measured is the agent's: it calls a tool
   * that never returns, says its process id, then numbers, 40 a second; another attempt says
   * "again" first and is soon done.
   */
  private static final String TALKER =
      """
      said() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$id" "$1"; }
      told() {
        printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\\n' "$1"
      }
      chunk() { told '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$1"' "}}'; }
      while IFS= read -r line; do
        id=${line#*'"id":'}; id=${id%%[,\\}]*}
        case $line in
          *'"method":"initialize"'*)
            said '{"protocolVersion":1,"agentCapabilities":{"loadSession":true},"authMethods":[]}' ;;
          *'"method":"session/new"'*) said '{"sessionId":"s"}' ;;
          *'"method":"session/load"'*) said '{}' ;;
          *'"method":"session/prompt"'*)
            words=${line##*'say '}; words=${words%%[!0-9]*}
            case $line in *'"attempt":1'*) ;; *) chunk again; words=3 ;; esac
            if [ "$words" -gt 20 ]; then
              told '{"sessionUpdate":"tool_call","toolCallId":"t1","title":"pay","kind":"execute","status":"pending"}'
            fi
            chunk "pid $$"
            i=0
            while [ $i -lt "$words" ]; do chunk $i; i=$((i + 1)); sleep 0.025; done
            told '{"sessionUpdate":"tool_call_update","toolCallId":"t1","status":"completed"}'
            said '{"stopReason":"end_turn"}' ;;
        esac
      done
      """;

  /** A program for one turn that writes down which run it executes, and works for a moment. */
  private static final String SHORT =
      """
      read -r line
      r=${line#*'"run_id":"'}; r=${r%%'"'*}
      echo "$r" >> "$MARKS"
      echo one; sleep 0.05; echo two
      """;

  private final Path marks;
  private final List<Replica> replicas = new ArrayList<>();

  /** Whoever ends the measurement in the middle leaves no replica behind. */
  private final Thread stopper = new Thread(() -> replicas().forEach(Replica::kill));

  private Fleet(Path marks) {
    this.marks = marks;
    Runtime.getRuntime().addShutdownHook(stopper);
  }

  static Fleet start(Lab lab, int count, String databaseUrl) {
    Path home = lab.scratch("fleet");
    try {
      Files.createDirectories(home);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
    Fleet fleet = new Fleet(home.resolve("marks"));
    List<String> up = Program.up(lab);
    for (int i = 0; i < count; i++) {
      fleet.replicas.add(new Replica(up, home.resolve("replica-" + i), databaseUrl));
    }
    try {
      fleet.replicas.getFirst().startFirst();
      fleet.revive();
      return fleet;
    } catch (RuntimeException failed) {
      fleet.close();
      throw failed;
    }
  }

  List<Replica> replicas() {
    return List.copyOf(replicas);
  }

  Replica replica(int index) {
    return replicas.get(index);
  }

  /** Starts those that are not there, side by side. */
  void revive() {
    String key = replicas.getFirst().key();
    Threads.join(
        replicas.stream()
            .filter(it -> !it.isAlive())
            .map(it -> Thread.ofVirtual().start(() -> it.start(key)))
            .toList());
    if (!replicas.stream().allMatch(Replica::isAlive)) {
      throw new IllegalStateException("a replica did not start");
    }
  }

  /** Has each replica serve so many turns, counted from its start. */
  void warm(String talker, int turns) {
    for (Replica replica : replicas) {
      for (int tries = 0; replica.served() < turns && tries < TRIES_MAX * turns; tries++) {
        ended(replica, replica.run(replica.newThread(), talker, "say 1"), WARM_WITHIN);
      }
    }
  }

  /** An ACP agent that talks for as long as it is asked to: "say 300". */
  void addTalker(String name, Map<String, Object> more) {
    add(name, "acp", TALKER, more);
  }

  /** A program for each turn. */
  void addShort(String name, Map<String, Object> more) {
    add(name, "command", SHORT, more);
  }

  private void add(String name, String kind, String script, Map<String, Object> more) {
    Map<String, Object> definition = new HashMap<>(more);
    definition.put("name", name);
    definition.put("kind", kind);
    definition.put("command", List.of("/bin/sh", "-c", script));
    definition.put("env", Map.of("MARKS", marks.toString()));
    replicas.getFirst().asked("/admin/agents", definition);
  }

  /** Runs that programs said they execute: twice where two did. */
  List<String> executed() {
    try {
      return Files.exists(marks) ? Files.readAllLines(marks) : List.of();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** The replica that executes the run, once one does. */
  Replica holderOf(Database database, String run) {
    String holder =
        "SELECT coalesce(max(p.pid), 0) FROM runs r JOIN mailboxes m"
            + " ON m.conversation_key = r.conversation_key AND m.running"
            + " JOIN replicas p ON p.id = m.replica_id WHERE r.status = 'running' AND r.id = '"
            + run
            + "'";
    double[] pid = {0};
    Threads.await(
        10,
        BEGINS_WITHIN,
        () -> {
          pid[0] = database.number(holder);
          return pid[0] != 0;
        });
    return replicas.stream()
        .filter(it -> it.isAlive() && it.pid() == (long) pid[0])
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("run " + run + " did not begin"));
  }

  /** Of those that run, one that is none of these. */
  Replica otherThan(Replica... these) {
    return replicas.stream()
        .filter(it -> it.isAlive() && !List.of(these).contains(it))
        .findFirst()
        .orElseThrow();
  }

  /** The run once it has ended. */
  static JsonNode ended(Replica asked, String run, Duration within) {
    JsonNode[] last = {Json.object()};
    boolean ended =
        Threads.await(
            20,
            (int) within.toSeconds(),
            () -> {
              last[0] = asked.get("/admin/runs/" + run).body();
              String status = last[0].path("status").asString("");
              return !status.isEmpty() && !List.of("pending", "running").contains(status);
            });
    if (!ended) {
      throw new IllegalStateException("run " + run + " did not end: " + last[0]);
    }
    return last[0];
  }

  /** What the replicas logged as errors. */
  List<String> errors() {
    return replicas.stream().flatMap(it -> it.errors().stream()).toList();
  }

  @Override
  public void close() {
    Runtime.getRuntime().removeShutdownHook(stopper);
    Threads.join(
        replicas.stream().map(it -> Thread.ofVirtual().start(it::close)).toList());
  }
}
