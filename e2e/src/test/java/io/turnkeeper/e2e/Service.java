package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import tools.jackson.databind.JsonNode;

/** Several replicas on one database: one service. Each has a data directory of its own. */
final class Service implements AutoCloseable {
  static final Duration TTL = Duration.ofSeconds(5);
  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);

  /** Events in a page of a run's log. */
  private static final int PAGE = 500;

  private final Path scratch;
  private final List<Turnkeeper> replicas = new ArrayList<>();
  private final Marks marks;

  private Service(Path scratch) {
    this.scratch = scratch;
    this.marks = new Marks(scratch.resolve("marks"));
  }

  /**
   * @param options of every replica
   */
  static Service start(Path scratch, int count, String databaseUrl, String... options) {
    return start(scratch, java.util.Collections.nCopies(count, databaseUrl), options);
  }

  /** One replica for each URL of the one database. */
  static Service start(Path scratch, List<String> databaseUrls, String... options) {
    Service service = new Service(scratch);
    for (String url : databaseUrls) {
      service.add(url, options);
    }
    return service.startAll();
  }

  /** Each replica with variables of its own. */
  static Service startWith(
      Path scratch, String databaseUrl, List<Map<String, String>> environments) {
    Service service = new Service(scratch);
    for (Map<String, String> environment : environments) {
      service.add(databaseUrl).with(environment);
    }
    return service.startAll();
  }

  private Service startAll() {
    try {
      // The first one makes the schema and the key.
      replicas.getFirst().start();
      CompletableFuture.allOf(
              replicas.stream()
                  .skip(1)
                  .map(it -> CompletableFuture.runAsync(() -> it.start(key())))
                  .toArray(CompletableFuture[]::new))
          .join();
    } catch (RuntimeException | Error failed) {
      close();
      throw failed;
    }
    return this;
  }

  /** One more, not started yet. */
  Turnkeeper add(String databaseUrl, String... options) {
    Path data = scratch.resolve("replica-" + replicas.size());
    List<String> words = new ArrayList<>(List.of("--database-url", databaseUrl));
    words.addAll(List.of(options));
    Turnkeeper replica = Turnkeeper.of(data, words.toArray(String[]::new));
    replicas.add(replica);
    return replica;
  }

  String key() {
    return replicas.getFirst().key();
  }

  Turnkeeper replica(int index) {
    return replicas.get(index);
  }

  List<Turnkeeper> replicas() {
    return List.copyOf(replicas);
  }

  Marks marks() {
    return marks;
  }

  void restart(Turnkeeper replica) {
    replica.start(replica.key());
  }

  /** Starts again those that are dead. */
  void revive() {
    replicas.stream().filter(it -> !it.isAlive()).forEach(this::restart);
  }

  /** Of those that run, one that is not this. */
  Turnkeeper otherThan(Turnkeeper... these) {
    return replicas.stream()
        .filter(it -> it.isAlive() && !List.of(these).contains(it))
        .findFirst()
        .orElseThrow();
  }

  /** An ACP agent whose life shows in {@link #marks}. */
  void addMarkingAgent(String name, Map<String, Object> more) {
    Map<String, Object> definition = new HashMap<>(more);
    definition.put("name", name);
    definition.put("kind", "acp");
    definition.put("command", List.of("node", agentFile("marking-acp.mjs").toString()));
    definition.put("env", Map.of("MARKS", marks.file().toString()));
    replicas.getFirst().addAgent(definition);
  }

  /**
   * A script that says at once where and when it ran, works for a moment, and says that it ended.
   */
  void addScript(String name, double seconds, Map<String, Object> more) {
    Map<String, Object> definition = new HashMap<>(more);
    definition.put("name", name);
    definition.put("kind", "command");
    definition.put(
        "command",
        List.of(
            "/bin/sh",
            "-c",
            """
            read -r line
            t=${line#*'"thread_id":"'}; t=${t%%%%'"'*}; r=${line#*'"run_id":"'}; r=${r%%%%'"'*}
            echo "$t $$ $(date +%%s%%N) $r" >> "$MARKS"
            echo one; sleep %s; echo two
            echo "$t $$ $(date +%%s%%N) $r" >> "$MARKS"
            """
                .formatted(seconds)));
    definition.put("env", Map.of("MARKS", marks.file().toString()));
    replicas.getFirst().addAgent(definition);
  }

  private static Path agentFile(String name) {
    Path file = Path.of("npm/agents", name).toAbsolutePath();
    assertThat(file).isRegularFile();
    return file;
  }

  /** The replica that holds the run, as the run's newest start says. */
  Turnkeeper holderOf(Turnkeeper asked, String run) {
    int id =
        Awaitility.await("run " + run + " starts")
            .atMost(ANSWER_WITHIN)
            .pollInterval(Duration.ofMillis(20))
            .until(() -> lastStart(asked, run), it -> it >= 0);
    return withId(asked, id);
  }

  private static int lastStart(Turnkeeper asked, String run) {
    int id = -1;
    for (JsonNode event : events(asked, run)) {
      if (event.get("kind").asString().equals("run.started")) {
        id = event.at("/data/replica").asInt();
      }
    }
    return id;
  }

  private Turnkeeper withId(Turnkeeper asked, int id) {
    for (JsonNode one : asked.patientGet("/admin/replicas").expect(200).body().get("replicas")) {
      if (one.get("id").asInt() == id) {
        long pid = one.get("pid").asLong();
        return replicas.stream().filter(it -> it.pid() == pid).findFirst().orElseThrow();
      }
    }
    throw new AssertionError("no replica " + id);
  }

  /** The run's whole log, up to the moment of asking: who waited for an empty page might never. */
  static List<JsonNode> events(Turnkeeper asked, String run) {
    List<JsonNode> all = new ArrayList<>();
    while (true) {
      int after = all.isEmpty() ? 0 : all.getLast().get("seq").asInt();
      JsonNode page =
          asked
              .patientGet("/admin/runs/" + run + "/events?limit=" + PAGE + "&after=" + after)
              .expect(200)
              .body()
              .get("events");
      page.forEach(all::add);
      if (page.size() < PAGE) {
        return all;
      }
    }
  }

  /** Numbers without a gap, one terminal event at the end, one start for each attempt. */
  static void assertWhole(List<JsonNode> log) {
    for (int i = 0; i < log.size(); i++) {
      assertThat(log.get(i).get("seq").asInt()).as("the numbers of %s", log).isEqualTo(i + 1);
    }
    List<String> kinds = log.stream().map(it -> it.get("kind").asString()).toList();
    assertThat(kinds.stream().filter(Service::terminal)).as("%s", kinds).hasSize(1);
    assertThat(terminal(kinds.getLast())).isTrue();
    List<Integer> attempts =
        log.stream()
            .filter(it -> it.get("kind").asString().equals("run.started"))
            .map(it -> it.at("/data/attempt").asInt())
            .toList();
    assertThat(attempts).as("attempts").doesNotHaveDuplicates().isSorted();
  }

  private static boolean terminal(String kind) {
    return List.of("run.completed", "run.failed", "run.cancelled", "run.timeout").contains(kind);
  }

  /** What the replicas hold against themselves. */
  void assertNoErrors() {
    for (Turnkeeper replica : replicas) {
      assertThat(replica.errors().lines().filter(it -> it.contains("\"level\":\"ERROR\"")))
          .as("errors in the log of %s", replica.data())
          .isEmpty();
    }
  }

  @Override
  public void close() {
    replicas.parallelStream().filter(it -> it.started()).forEach(Turnkeeper::close);
    try {
      for (Turnkeeper replica : replicas) {
        Turnkeeper.removeTree(replica.data());
      }
      Files.deleteIfExists(marks.file());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path scratch() {
    return scratch;
  }
}
