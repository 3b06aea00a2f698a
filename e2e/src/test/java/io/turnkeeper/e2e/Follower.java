package io.turnkeeper.e2e;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A client that reads a run's stream to its end. When the stream breaks it goes to the next replica
 * with the last id that it saw.
 */
final class Follower implements AutoCloseable {
  private static final String MODES = "stream_mode=messages-tuple&stream_mode=values";
  private static final Duration END_WITHIN = Duration.ofSeconds(90);

  /**
   * @param atNanos when it came, by {@link System#nanoTime}
   */
  record Frame(String id, String event, String data, long atNanos) {
    String content() {
      return id + " " + event + " " + data;
    }
  }

  private final List<Turnkeeper> replicas;
  private final String thread;
  private final String run;
  private final List<Frame> frames = new CopyOnWriteArrayList<>();
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private final CountDownLatch closed = new CountDownLatch(1);
  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private volatile InputStream open;
  private volatile int connections;
  private volatile String lastTrouble = "";

  private Follower(List<Turnkeeper> replicas, String thread, String run) {
    this.replicas = replicas;
    this.thread = thread;
    this.run = run;
  }

  /** The first replica is asked first; the next one when that breaks. */
  static Follower start(String thread, String run, Turnkeeper... replicas) {
    Follower follower = new Follower(List.of(replicas), thread, run);
    Thread.ofVirtual().name("follower").start(follower::follow);
    return follower;
  }

  /** The same stream from its beginning. */
  Follower again(Turnkeeper from) {
    return start(thread, run, from);
  }

  List<Frame> frames() {
    return frames;
  }

  int connections() {
    return connections;
  }

  Frame last() {
    return frames.getLast();
  }

  /** Everything that was read, once the run has ended. */
  List<Frame> whole() {
    try {
      ended.get(END_WITHIN.toSeconds(), TimeUnit.SECONDS);
      return frames;
    } catch (Exception e) {
      throw new AssertionError(
          "the stream of run " + run + " ended within " + END_WITHIN + " " + lastTrouble, e);
    }
  }

  private void follow() {
    for (int next = 0; closed.getCount() > 0; next++) {
      int before = frames.size();
      Turnkeeper from = replicas.get(next % replicas.size());
      try {
        if (read(from) && frames.size() == before && over(from)) {
          ended.complete(null);
          return;
        }
        if (frames.size() > before) {
          next--;
        }
      } catch (IOException | RuntimeException broken) {
        lastTrouble = from.url() + " " + broken;
      } catch (InterruptedException stopping) {
        return;
      }
      pause();
    }
  }

  private void pause() {
    try {
      if (closed.await(50, TimeUnit.MILLISECONDS)) {
        ended.cancel(false);
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean over(Turnkeeper at) {
    Turnkeeper.Answer answer = at.get("/admin/runs/" + run);
    return answer.status() == 200
        && !List.of("pending", "running", "waiting")
            .contains(answer.body().get("status").asString());
  }

  /** True when the stream ended in good order. */
  private boolean read(Turnkeeper from) throws IOException, InterruptedException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(
                URI.create(from.url() + "/threads/" + thread + "/runs/" + run + "/stream?" + MODES))
            .header("x-api-key", from.key())
            .timeout(Duration.ofSeconds(10));
    if (!frames.isEmpty()) {
      request.header("last-event-id", frames.getLast().id());
    }
    HttpResponse<InputStream> response =
        http.send(request.GET().build(), BodyHandlers.ofInputStream());
    connections++;
    try (InputStream body = response.body();
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8))) {
      open = body;
      if (response.statusCode() != 200) {
        lastTrouble = from.url() + " " + response.statusCode();
        return false;
      }
      parse(lines);
      return true;
    }
  }

  private void parse(BufferedReader lines) throws IOException {
    Map<String, String> fields = new HashMap<>();
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        fields.put(line.substring(0, colon), line.substring(colon + 1).strip());
      } else if (line.isEmpty() && !fields.isEmpty()) {
        frames.add(
            new Frame(
                fields.getOrDefault("id", ""),
                fields.getOrDefault("event", ""),
                fields.getOrDefault("data", ""),
                System.nanoTime()));
        fields.clear();
      }
    }
  }

  @Override
  public void close() {
    closed.countDown();
    InputStream now = open;
    if (now != null) {
      try {
        now.close();
      } catch (IOException alreadyGone) {
        lastTrouble = alreadyGone.toString();
      }
    }
    http.shutdownNow();
  }
}
