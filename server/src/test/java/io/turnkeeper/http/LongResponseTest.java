package io.turnkeeper.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.base.Json;
import io.turnkeeper.telemetry.Metrics;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Streams over real sockets: what is on the wire, and how each side learns that the other is gone.
 */
@Timeout(30)
class LongResponseTest {
  private static final Duration HEARTBEAT = Duration.ofMillis(100);
  private static final Duration IDLE = Duration.ofSeconds(1);
  private static final int STREAMS_MAX = 2;

  private final BlockingQueue<StreamClosed.Reason> closed = new LinkedBlockingQueue<>();
  private final CountDownLatch release = new CountDownLatch(1);
  private HttpServer server;

  @BeforeEach
  void start() {
    HttpConfig config =
        new HttpConfig(
            "127.0.0.1",
            0,
            1024,
            STREAMS_MAX,
            HEARTBEAT,
            IDLE,
            Duration.ofSeconds(3),
            List.of(),
            null);
    server =
        HttpServer.start(
            config,
            List.of(
                Route.get("/events", LongResponseTest::threeEvents),
                Route.get("/beats", exchange -> watched(() -> beat(exchange.sse()))),
                Route.get("/flood", exchange -> watched(() -> flood(exchange.sse()))),
                Route.get("/fails", LongResponseTest::failsHalfWay),
                Route.get("/wait", this::answersLate),
                Route.get("/quiet", this::answersAfterSilence)),
            new Metrics());
  }

  @AfterEach
  void stop() {
    release.countDown();
    server.close();
  }

  private static void threeEvents(Exchange exchange) {
    exchange.responseHeader("Content-Location", "/threads/t\r\nX-Evil: 1");
    SseStream stream = exchange.sse();
    stream.send("metadata", "1.1", Json.object().put("text", "two\nlines"));
    stream.heartbeat();
    stream.send("values\nid: 9", "1.2\r\nevent: x", "{\n\"a\":1\n}");
    stream.send("custom", null, "null");
    stream.end();
  }

  private static void failsHalfWay(Exchange exchange) {
    exchange.sse().send("values", "1.1", "{}");
    throw new IllegalStateException("a defect");
  }

  private void answersLate(Exchange exchange) throws Exception {
    PendingJson pending = exchange.pendingJson();
    pending.keepAlive();
    release.await(10, TimeUnit.SECONDS);
    pending.keepAlive();
    pending.end(Json.object().put("done", true));
  }

  private void answersAfterSilence(Exchange exchange) throws Exception {
    release.await(IDLE.multipliedBy(2).toMillis(), TimeUnit.MILLISECONDS);
    exchange.text(200, "text/plain", "late, and whole");
  }

  private interface Work {
    void run() throws Exception;
  }

  private void watched(Work work) throws Exception {
    try {
      work.run();
    } catch (StreamClosed gone) {
      closed.add(gone.reason());
      throw gone;
    }
  }

  private void beat(SseStream stream) throws InterruptedException {
    CountDownLatch woken = new CountDownLatch(1);
    stream.onClose(woken::countDown);
    stream.send("hello", "0.1", "{}");
    while (true) {
      woken.await(HEARTBEAT.toMillis(), TimeUnit.MILLISECONDS);
      stream.heartbeat();
    }
  }

  private static void flood(SseStream stream) {
    String large = "\"" + "x".repeat(64 * 1024) + "\"";
    while (true) {
      stream.send("values", null, large);
    }
  }

  private Socket open(String path) throws IOException {
    Socket socket = new Socket("127.0.0.1", server.port());
    socket.setSoTimeout(10_000);
    socket
        .getOutputStream()
        .write(
            ("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
    return socket;
  }

  private static void readUntil(InputStream in, String end) throws IOException {
    StringBuilder seen = new StringBuilder();
    while (!seen.toString().endsWith(end)) {
      int next = in.read();
      if (next < 0) {
        throw new EOFException("after " + seen);
      }
      seen.append((char) next);
    }
  }

  private HttpRequest request(String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path))
        .timeout(Duration.ofSeconds(10))
        .build();
  }

  private static HttpClient client() {
    return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  }

  @Test
  void an_event_is_one_block_with_one_data_line_and_a_heartbeat_is_a_lone_comment()
      throws Exception {
    try (HttpClient client = client()) {
      var response = client.send(request("/events"), BodyHandlers.ofString());
      assertThat(response.body())
          .isEqualTo(
              """
              event: metadata
              data: {"text":"two\\nlines"}
              id: 1.1

              : heartbeat
              event: valuesid: 9
              data: {"a":1}
              id: 1.2event: x

              event: custom
              data: null

              """);
      assertThat(response.headers().firstValue("content-type"))
          .hasValueSatisfying(type -> assertThat(type).startsWith("text/event-stream"));
      assertThat(response.headers().firstValue("cache-control")).hasValue("no-store");
      assertThat(response.headers().firstValue("x-accel-buffering")).hasValue("no");
      assertThat(response.headers().firstValue("x-evil")).isEmpty();
    }
  }

  @Test
  void an_event_reaches_the_client_before_the_stream_ends() throws Exception {
    try (Socket socket = open("/beats")) {
      readUntil(socket.getInputStream(), "data: {}\nid: 0.1\n\n");
      assertThat(server.openStreams()).isEqualTo(1);
    }
  }

  @Test
  void a_peer_that_went_away_is_noticed() throws Exception {
    long start;
    try (Socket socket = open("/beats")) {
      readUntil(socket.getInputStream(), "\n\n");
      start = System.nanoTime();
    }
    assertThat(closed.poll(5, TimeUnit.SECONDS)).isEqualTo(StreamClosed.Reason.PEER);
    // Two heartbeats, and slack for a busy machine.
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(HEARTBEAT.multipliedBy(10));
  }

  @Test
  void a_peer_that_does_not_read_is_given_up_after_the_idle_timeout() throws Exception {
    try (Socket socket = open("/flood")) {
      assertThat(closed.poll(10, TimeUnit.SECONDS)).isEqualTo(StreamClosed.Reason.PEER);
      assertThat(socket.isConnected()).isTrue();
    }
  }

  @Test
  void a_stop_cuts_streams_so_that_clients_know_there_is_more() throws Exception {
    // Both streams are under way before the stop: a request behind it is refused, not cut.
    try (HttpClient client = client();
        InputStream whole = client.send(request("/beats"), BodyHandlers.ofInputStream()).body()) {
      readUntil(whole, "\n\n");
      try (Socket socket = open("/beats")) {
        readUntil(socket.getInputStream(), "\n\n");
        long start = System.nanoTime();
        server.close();
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(3));
      }
      assertThat(closed.poll(5, TimeUnit.SECONDS)).isEqualTo(StreamClosed.Reason.STOPPING);
      assertThatThrownBy(whole::readAllBytes).isInstanceOf(IOException.class);
    }
  }

  @Test
  void a_stream_whose_handler_fails_is_cut() {
    try (HttpClient client = client()) {
      assertThat(cause(client.sendAsync(request("/fails"), BodyHandlers.ofString())))
          .isInstanceOf(IOException.class);
    }
  }

  @Test
  void a_cut_http_2_stream_leaves_its_connection_alone() throws Exception {
    try (HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build()) {
      client.send(request("/events"), BodyHandlers.ofString()); // upgrades
      var slow = client.sendAsync(request("/wait"), BodyHandlers.ofString());
      assertThat(cause(client.sendAsync(request("/fails"), BodyHandlers.ofString())))
          .isInstanceOf(IOException.class);
      release.countDown();
      assertThat(slow.get(10, TimeUnit.SECONDS).body().strip()).isEqualTo("{\"done\":true}");
    }
  }

  private static Throwable cause(CompletableFuture<?> answer) {
    try {
      answer.get(10, TimeUnit.SECONDS);
      throw new AssertionError("the answer was taken for whole");
    } catch (ExecutionException failed) {
      return java.util.Objects.requireNonNull(failed.getCause());
    } catch (InterruptedException | java.util.concurrent.TimeoutException never) {
      throw new AssertionError(never);
    }
  }

  @Test
  void one_stream_too_many_is_refused_and_a_place_is_free_again_afterwards() throws Exception {
    try (HttpClient client = client()) {
      try (Socket first = open("/beats");
          Socket second = open("/beats")) {
        readUntil(first.getInputStream(), "\n\n");
        readUntil(second.getInputStream(), "\n\n");
        var refused = client.send(request("/beats"), BodyHandlers.ofString());
        assertThat(refused.statusCode()).isEqualTo(503);
        assertThat(refused.body()).contains("streams_full");
        assertThat(refused.headers().firstValue("retry-after")).isPresent();
      }
      closed.poll(5, TimeUnit.SECONDS);
      closed.poll(5, TimeUnit.SECONDS);
      assertThat(client.send(request("/events"), BodyHandlers.ofString()).statusCode())
          .isEqualTo(200);
    }
  }

  @Test
  void a_late_document_follows_white_space() throws Exception {
    try (HttpClient client = client()) {
      var answer = client.sendAsync(request("/wait"), BodyHandlers.ofString());
      release.countDown();
      assertThat(answer.get(10, TimeUnit.SECONDS).body()).isEqualTo("\n\n{\"done\":true}");
    }
  }

  @Test
  void a_handler_may_be_silent_for_longer_than_the_idle_timeout() throws Exception {
    try (HttpClient client = client()) {
      assertThat(client.send(request("/quiet"), BodyHandlers.ofString()).body())
          .isEqualTo("late, and whole");
    }
  }

  @Test
  void head_of_a_stream_opens_none() throws Exception {
    try (HttpClient client = client()) {
      var head =
          HttpRequest.newBuilder(request("/beats").uri())
              .method("HEAD", HttpRequest.BodyPublishers.noBody())
              .build();
      HttpResponse<String> answer = client.send(head, BodyHandlers.ofString());
      assertThat(answer.body()).isEmpty();
      assertThat(answer.statusCode()).isEqualTo(200);
      assertThat(answer.headers().firstValue("content-type").orElse(""))
          .startsWith("text/event-stream");
      assertThat(server.openStreams()).isZero();
    }
  }
}
