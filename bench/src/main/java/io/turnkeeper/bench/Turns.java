package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;

/**
 * Clients that send messages to the replicas in turn, at a steady rate. Each message carries an
 * idempotency key and is sent again, to the next replica, as a client library does it: when the
 * connection is refused or breaks, or the answer is 5xx or 429, after a pause that doubles.
 */
final class Turns implements AutoCloseable {
  private static final int TRIES_MAX = 12;
  private static final long PAUSE_FIRST = 50;
  private static final long PAUSE_MAX = 1_000;
  private static final int OK = 200;
  private static final int TOO_MANY = 429;
  private static final int SERVER_ERROR = 500;

  private final List<Replica> replicas;
  private final String agent;
  private final List<String> threads;
  private final long betweenNanos;
  private final HttpClient http =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(5))
          .build();
  private final Queue<String> accepted = new ConcurrentLinkedQueue<>();
  private final Queue<String> errors = new ConcurrentLinkedQueue<>();
  private final Map<String, Integer> retries = new ConcurrentHashMap<>();
  private final AtomicInteger underWay = new AtomicInteger();
  private final Thread pace;
  private volatile boolean stopped;

  private Turns(Fleet fleet, String agent, int conversations, int perSecond) {
    this.replicas = fleet.replicas();
    this.agent = agent;
    this.threads =
        IntStream.range(0, conversations).mapToObj(i -> replicas.getFirst().newThread()).toList();
    this.betweenNanos = TimeUnit.SECONDS.toNanos(1) / perSecond;
    this.pace = Thread.ofPlatform().name("turns").daemon().unstarted(this::send);
  }

  static Turns start(Fleet fleet, String agent, int conversations, int perSecond) {
    Turns turns = new Turns(fleet, agent, conversations, perSecond);
    turns.pace.start();
    return turns;
  }

  /** Ids of the runs that were accepted. */
  List<String> accepted() {
    return List.copyOf(accepted);
  }

  /** What clients saw though they had tried again. */
  List<String> errors() {
    return List.copyOf(errors);
  }

  /** What they met and came back from, with how often. */
  Map<String, Integer> retries() {
    return new TreeMap<>(retries);
  }

  /** Until so many more have been accepted. */
  void awaitMore(int count) {
    int wanted = accepted.size() + count;
    if (!Threads.await(20, 60, () -> accepted.size() >= wanted)) {
      throw new IllegalStateException("no messages are accepted: " + retries());
    }
  }

  /** Sends no more; returns when every message has its answer. */
  void stop() {
    stopped = true;
    if (!Threads.await(20, 60, () -> !pace.isAlive() && underWay.get() == 0)) {
      throw new IllegalStateException("messages have no answer");
    }
  }

  private void send() {
    long next = System.nanoTime();
    for (int number = 0; !stopped; number++) {
      LockSupport.parkNanos(next - System.nanoTime());
      int now = number;
      underWay.incrementAndGet();
      Thread.ofVirtual().start(() -> one(now));
      next += betweenNanos;
    }
  }

  private void one(int number) {
    String key = UUID.randomUUID().toString();
    String path = "/threads/" + threads.get(number % threads.size()) + "/runs";
    String body = Json.MAPPER.writeValueAsString(Replica.message(agent, "message " + number));
    String trouble = "";
    try {
      long pause = PAUSE_FIRST;
      for (int attempt = 0; attempt < TRIES_MAX; attempt++) {
        trouble = post(replicas.get((number + attempt) % replicas.size()), path, key, body);
        if (trouble.isEmpty()) {
          return;
        }
        retries.merge(trouble, 1, Integer::sum);
        Threads.sleep(pause);
        pause = Math.min(PAUSE_MAX, pause * 2);
      }
      errors.add("given up: " + trouble);
    } finally {
      underWay.decrementAndGet();
    }
  }

  /** Empty when it was accepted; else what to come back from. What is no such thing is an error. */
  private String post(Replica at, String path, String key, String body) {
    try {
      HttpResponse<String> answer =
          http.send(
              at.request(path)
                  .header("idempotency-key", key)
                  .POST(BodyPublishers.ofString(body))
                  .build(),
              BodyHandlers.ofString());
      JsonNode told = Json.MAPPER.readTree(answer.body());
      if (answer.statusCode() == OK) {
        accepted.add(told.get("run_id").asString());
        return "";
      }
      if (answer.statusCode() != TOO_MANY && answer.statusCode() < SERVER_ERROR) {
        errors.add(answer.statusCode() + " " + answer.body());
        return "";
      }
      return answer.statusCode() + " " + told.path("code").asString("");
    } catch (ConnectException refused) {
      return "connection refused";
    } catch (IOException broken) {
      return "connection broken";
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      return "interrupted";
    }
  }

  @Override
  public void close() {
    stopped = true;
    http.shutdownNow();
  }
}
