package io.turnkeeper.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/**
 * A client that reads a run's stream along. When it breaks it goes to the next replica with the
 * last id that it saw.
 */
final class Follower implements AutoCloseable {
  private static final long PAUSE_MILLIS = 50;
  private static final int ENDS_WITHIN = 60;

  /**
   * @param atNanos when it came, by {@link System#nanoTime}
   */
  record Frame(String id, String event, String data, long atNanos) {
    String content() {
      return id + " " + event + " " + data;
    }
  }

  private final List<Replica> replicas;
  private final String path;
  private final List<Frame> frames = new CopyOnWriteArrayList<>();
  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Thread thread;
  private volatile boolean closed;
  private volatile boolean ended;

  private Follower(List<Replica> replicas, String conversation, String run) {
    this.replicas = replicas;
    this.path = "/threads/" + conversation + "/runs/" + run + "/stream?stream_mode=messages-tuple";
    this.thread = Thread.ofVirtual().name("follower").unstarted(this::follow);
  }

  /** Asks the first replica first, and the next one when that breaks. */
  static Follower start(String conversation, String run, Replica... replicas) {
    Follower follower = new Follower(List.of(replicas), conversation, run);
    follower.thread.start();
    return follower;
  }

  List<Frame> frames() {
    return List.copyOf(frames);
  }

  /** Everything, once the run has ended. */
  List<Frame> whole() {
    if (!Threads.await(5, ENDS_WITHIN, () -> ended)) {
      throw new IllegalStateException("the stream " + path + " did not end");
    }
    return frames();
  }

  /** When the first of these came. */
  Optional<Long> first(Predicate<Frame> which) {
    return frames.stream().filter(which).map(Frame::atNanos).findFirst();
  }

  /** No id came twice, and who reads again reads the same. */
  boolean sameAs(Follower again) {
    List<Frame> read = whole();
    return new HashSet<>(read.stream().map(Frame::id).toList()).size() == read.size()
        && read.stream()
            .map(Frame::content)
            .toList()
            .equals(again.whole().stream().map(Frame::content).toList());
  }

  private void follow() {
    for (int next = 0; !closed && !ended; next++) {
      int before = frames.size();
      try {
        // A stream that ends in good order without anything new has told all.
        if (read(replicas.get(next % replicas.size())) && frames.size() == before && before > 0) {
          ended = true;
        } else if (frames.size() > before) {
          next--;
        }
      } catch (IOException broken) {
        Threads.sleep(PAUSE_MILLIS);
      } catch (InterruptedException stopping) {
        return;
      }
    }
  }

  /** True when it ended in good order. */
  private boolean read(Replica from) throws IOException, InterruptedException {
    var request = from.request(path);
    if (!frames.isEmpty()) {
      request.header("last-event-id", frames.getLast().id());
    }
    HttpResponse<InputStream> response =
        http.send(request.GET().build(), BodyHandlers.ofInputStream());
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
      if (response.statusCode() != 200) {
        throw new IOException("status " + response.statusCode());
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
    closed = true;
    thread.interrupt();
    http.shutdownNow();
  }
}
