package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import tools.jackson.databind.JsonNode;

/**
 * Clients that keep sending messages to the replicas in turn, at a steady rate, over a fixed number
 * of conversations. Each message carries an idempotency key, and is sent again, to the next
 * replica, as a client library does it: when the connection is refused or breaks, or the answer is
 * 5xx or 429, and after a pause that doubles.
 */
final class Load implements AutoCloseable {
  private static final int TRIES_MAX = 12;
  private static final long PAUSE_FIRST_MILLIS = 50;
  private static final long PAUSE_MAX_MILLIS = 1_000;

  private final List<Turnkeeper> replicas;
  private final String agent;
  private final List<String> threads;
  private final long everyNanos;
  private final HttpClient http =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(5))
          .build();
  private final CountDownLatch stop = new CountDownLatch(1);
  private final AtomicInteger underWay = new AtomicInteger();
  private final AtomicInteger again = new AtomicInteger();
  private final Map<String, Integer> retries = new ConcurrentHashMap<>();
  private final Queue<String> accepted = new ConcurrentLinkedQueue<>();
  private final Queue<String> errors = new ConcurrentLinkedQueue<>();
  private final Thread pace;

  private Load(Service service, String agent, int conversations, int perSecond) {
    this.replicas = service.replicas();
    this.agent = agent;
    Turnkeeper first = replicas.getFirst();
    this.threads =
        java.util.stream.IntStream.range(0, conversations)
            .mapToObj(i -> first.newThread())
            .toList();
    this.everyNanos = TimeUnit.SECONDS.toNanos(1) / perSecond;
    this.pace = Thread.ofPlatform().name("load").daemon().unstarted(this::send);
  }

  static Load start(Service service, String agent, int conversations, int perSecond) {
    Load load = new Load(service, agent, conversations, perSecond);
    load.pace.start();
    return load;
  }

  List<String> threads() {
    return threads;
  }

  /** Ids of the runs that were accepted. */
  List<String> accepted() {
    return List.copyOf(accepted);
  }

  private void send() {
    long next = System.nanoTime();
    int number = 0;
    try {
      while (!stop.await(next - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        int now = number++;
        underWay.incrementAndGet();
        Thread.ofVirtual().start(() -> one(now));
        next += everyNanos;
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private void one(int number) {
    String key = UUID.randomUUID().toString();
    String body =
        Turnkeeper.JSON.writeValueAsString(Turnkeeper.message(agent, "message " + number));
    String path = "/threads/" + threads.get(number % threads.size()) + "/runs";
    String trouble = "";
    try {
      long pause = PAUSE_FIRST_MILLIS;
      for (int attempt = 0; attempt < TRIES_MAX; attempt++) {
        Turnkeeper at = replicas.get((number + attempt) % replicas.size());
        trouble = post(at, path, key, body);
        if (trouble.isEmpty()) {
          return;
        }
        again.incrementAndGet();
        retries.merge(trouble, 1, Integer::sum);
        new CountDownLatch(1).await(pause, TimeUnit.MILLISECONDS);
        pause = Math.min(PAUSE_MAX_MILLIS, pause * 2);
      }
      errors.add("given up: " + trouble);
    } catch (InterruptedException stopping) {
      errors.add("interrupted");
    } finally {
      underWay.decrementAndGet();
    }
  }

  /** Empty when it was accepted; else what to come back from. What is no such thing is an error. */
  private String post(Turnkeeper at, String path, String key, String body)
      throws InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(at.url() + path))
            .header("x-api-key", at.key())
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .timeout(Duration.ofSeconds(15))
            .POST(BodyPublishers.ofString(body))
            .build();
    try {
      HttpResponse<String> answer = http.send(request, BodyHandlers.ofString());
      if (answer.statusCode() == 200) {
        JsonNode run = Turnkeeper.JSON.readTree(answer.body());
        accepted.add(run.get("run_id").asString());
        return "";
      }
      if (answer.statusCode() != 429 && answer.statusCode() < 500) {
        errors.add(answer.statusCode() + " " + answer.body());
        return "";
      }
      JsonNode problem = Turnkeeper.JSON.readTree(answer.body());
      return answer.statusCode() + " " + problem.path("code").asString(answer.body());
    } catch (ConnectException refused) {
      return "connection refused";
    } catch (IOException broken) {
      return "connection broken";
    }
  }

  /** Sends no more, and waits until every message has its answer. */
  Load stop() {
    stop.countDown();
    Awaitility.await("all messages are answered")
        .atMost(Duration.ofSeconds(60))
        .until(() -> underWay.get() == 0);
    return this;
  }

  /** What clients met and came back from, with how often. */
  Map<String, Integer> retries() {
    return Map.copyOf(retries);
  }

  /** Each message that was accepted is a run there, which has ended as is expected. */
  void assertEachEnded(Postgres database, String... statuses) {
    Map<String, String> found = new HashMap<>();
    database
        .sql("SELECT id, status FROM runs")
        .lines()
        .map(line -> line.split("\\|"))
        .forEach(words -> found.put(words[0], words[1]));
    List<String> wrong =
        accepted.stream()
            .filter(run -> !List.of(statuses).contains(found.getOrDefault(run, "not there")))
            .map(run -> run + " " + found.getOrDefault(run, "not there"))
            .toList();
    assertThat(accepted).isNotEmpty();
    assertThat(wrong).as("accepted runs that are lost, or ended otherwise").isEmpty();
  }

  /** Each message was accepted, once. */
  void assertNoClientError() {
    assertThat(errors).as("errors that clients saw, after their retries").isEmpty();
    assertThat(accepted).doesNotHaveDuplicates();
  }

  /** This load's runs by how they ended, as the database has it, once all have. */
  Map<String, Integer> endedOurs(Postgres database, Duration within) {
    return ended(
        database,
        within,
        " FROM runs r JOIN agents a ON a.id = r.agent_id AND a.name = '" + agent + "' ");
  }

  /** Runs by how they ended, whoever sent them. */
  static Map<String, Integer> ended(Postgres database, Duration within) {
    return ended(database, within, " FROM runs r ");
  }

  private static Map<String, Integer> ended(Postgres database, Duration within, String ours) {
    Awaitility.await("all accepted runs end")
        .atMost(within)
        .pollInterval(Duration.ofMillis(200))
        .until(
            () ->
                database.sql(
                    "SELECT count(*)"
                        + ours
                        + "WHERE r.status IN ('pending', 'running', 'waiting')"),
            "0"::equals);
    Map<String, Integer> counts = new ConcurrentHashMap<>();
    database
        .sql("SELECT r.status, count(*)" + ours + "GROUP BY r.status")
        .lines()
        .forEach(line ->
            counts.put(
                line.substring(0, line.indexOf('|')),
                Integer.parseInt(line.substring(line.indexOf('|') + 1))));
    return counts;
  }

  /** Every run of the database has a log without a gap and one end, at its end. */
  static void assertWholeLogs(Postgres database) {
    assertThat(
            database.sql(
                """
                SELECT r.id, r.status, count(e.seq), max(e.seq),
                       count(*) FILTER (WHERE e.kind = 'run.' || r.status),
                       max(e.seq) FILTER (WHERE e.kind = 'run.' || r.status)
                  FROM runs r LEFT JOIN run_events e ON e.run_id = r.id
                 GROUP BY r.id, r.status
                HAVING count(e.seq) <> coalesce(max(e.seq), 0)
                    OR count(*) FILTER (WHERE e.kind = 'run.' || r.status) <> 1
                    OR max(e.seq) FILTER (WHERE e.kind = 'run.' || r.status) <> max(e.seq)
                """))
        .as("runs whose log has a gap, or not one end")
        .isEmpty();
  }

  @Override
  public void close() {
    stop.countDown();
    http.shutdownNow();
  }
}
