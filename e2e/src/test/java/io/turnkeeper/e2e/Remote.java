package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;

/** A worker for an agent of kind remote whose every word a test says itself. */
final class Remote implements AutoCloseable {
  private static final Duration WITHIN = Duration.ofSeconds(20);

  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final BlockingQueue<Frame> frames = new LinkedBlockingQueue<>();
  private final HttpResponse<java.io.InputStream> stream;

  private record Frame(String event, JsonNode data) {}

  private Remote(Turnkeeper replica, String key, String query) {
    try {
      stream =
          http.send(
              HttpRequest.newBuilder(URI.create(replica.url() + "/worker/stream?" + query))
                  .header("authorization", "Bearer " + key)
                  .build(),
              BodyHandlers.ofInputStream());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    assertThat(stream.statusCode()).isEqualTo(200);
    Thread.ofVirtual().start(this::read);
    next("ready");
  }

  /** Connects to a replica; the agent must be of kind remote and the key its worker's. */
  static Remote connect(Turnkeeper replica, String key, String query) {
    return new Remote(replica, key, query);
  }

  static String key(Turnkeeper replica, String agent) {
    return replica
        .post("/admin/keys", Map.of("name", "w-" + agent, "role", "worker", "agent", agent))
        .expect(201)
        .body()
        .get("key")
        .asString();
  }

  private void read() {
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8))) {
      String event = "";
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (line.startsWith("event: ")) {
          event = line.substring(7);
        } else if (line.startsWith("data: ")) {
          frames.add(new Frame(event, Turnkeeper.JSON.readTree(line.substring(6))));
        }
      }
    } catch (IOException closed) {
      // The test is over, or has cut it.
    }
    frames.add(new Frame("closed", Turnkeeper.JSON.nullNode()));
  }

  /** The next frame of that kind; others before it are dropped. */
  JsonNode next(String event) {
    try {
      long until = System.nanoTime() + WITHIN.toNanos();
      while (true) {
        Frame frame = frames.poll(until - System.nanoTime(), TimeUnit.NANOSECONDS);
        assertThat(frame).as("a frame %s within %s", event, WITHIN).isNotNull();
        if (frame.event().equals(event)) {
          return frame.data();
        }
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The next run. */
  Given run() {
    return new Given(next("run"));
  }

  /** Whether no run comes within a moment. */
  boolean isIdle(Duration moment) {
    try {
      Frame frame = frames.poll(moment.toNanos(), TimeUnit.NANOSECONDS);
      return frame == null || !frame.event().equals("run");
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  record Given(JsonNode json) {
    String id() {
      return json.get("run_id").asString();
    }

    String token() {
      return json.get("token").asString();
    }

    int attempt() {
      return json.get("attempt").asInt();
    }

    String said() {
      JsonNode messages = json.at("/input/messages");
      return messages.get(messages.size() - 1).get("content").asString();
    }
  }

  static Map<String, Object> text(int seq, String text) {
    return Map.of("seq", seq, "type", "text", "text", text);
  }

  static Map<String, Object> completed(int seq) {
    return Map.of("seq", seq, "type", "result", "status", "completed");
  }

  @SafeVarargs
  static Turnkeeper.Answer respond(
      Turnkeeper replica, String token, Map<String, Object>... events) {
    return as(replica, token, "POST", "/worker/response", Map.of("events", List.of(events)));
  }

  static Turnkeeper.Answer heartbeat(Turnkeeper replica, String token) {
    return as(replica, token, "POST", "/worker/heartbeat", Map.of());
  }

  static Turnkeeper.Answer as(
      Turnkeeper replica, String credential, String method, String path, Object body) {
    return replica.send(
        HttpRequest.newBuilder(URI.create(replica.url() + path))
            .header("authorization", "Bearer " + credential)
            .header("content-type", "application/json")
            .timeout(WITHIN.plusSeconds(20))
            .method(
                method,
                body == null
                    ? BodyPublishers.noBody()
                    : BodyPublishers.ofString(Turnkeeper.JSON.writeValueAsString(body)))
            .build());
  }

  /** Cuts the connection. */
  @Override
  public void close() {
    http.shutdownNow();
  }
}
