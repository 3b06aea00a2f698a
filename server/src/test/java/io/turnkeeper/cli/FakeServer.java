package io.turnkeeper.cli;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;

/** Answers as told, and remembers what it was asked. */
final class FakeServer implements AutoCloseable {
  private final HttpServer http;
  private final Map<String, Deque<Answer>> answers = new ConcurrentHashMap<>();
  private final List<Asked> asked = new CopyOnWriteArrayList<>();

  FakeServer() throws IOException {
    http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    http.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    http.createContext("/", this::answer);
    http.start();
  }

  record Asked(String line, String key, String lastEventId, String body) {}

  /**
   * An answer.
   *
   * @param cut breaks the connection off after the body
   */
  record Answer(int status, String type, Map<String, String> headers, String body, boolean cut) {
    static Answer json(int status, String body) {
      return new Answer(status, "application/json", Map.of(), body, false);
    }

    static Answer events(String location, String body, boolean cut) {
      return new Answer(200, "text/event-stream", Map.of("location", location), body, cut);
    }
  }

  /** The answers to one request line, in order; the last one stays. */
  FakeServer on(String line, Answer... inOrder) {
    answers.put(line, new ArrayDeque<>(List.of(inOrder)));
    return this;
  }

  List<Asked> asked() {
    return List.copyOf(asked);
  }

  String url() {
    return "http://127.0.0.1:" + http.getAddress().getPort();
  }

  @Override
  public void close() {
    http.stop(0);
  }

  private void answer(HttpExchange exchange) {
    try (exchange) {
      String line = exchange.getRequestMethod() + " " + exchange.getRequestURI();
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      asked.add(
          new Asked(
              line,
              String.valueOf(exchange.getRequestHeaders().getFirst("x-api-key")),
              String.valueOf(exchange.getRequestHeaders().getFirst("last-event-id")),
              body));
      Answer answer = next(line);
      answer.headers().forEach(exchange.getResponseHeaders()::set);
      exchange.getResponseHeaders().set("content-type", answer.type());
      byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
      // A length that is not reached is what a lost connection looks like.
      exchange.sendResponseHeaders(answer.status(), bytes.length + (answer.cut() ? 1 : 0));
      OutputStream out = exchange.getResponseBody();
      out.write(bytes);
      out.flush();
    } catch (IOException gone) {
      if (!String.valueOf(gone.getMessage()).contains("insufficient bytes")) {
        throw new UncheckedIOException(gone);
      }
    }
  }

  private Answer next(String line) {
    Deque<Answer> left = answers.get(line);
    if (left == null) {
      return Answer.json(
          404, "{\"status\":404,\"detail\":\"no such path\",\"code\":\"path_not_found\"}");
    }
    synchronized (left) {
      return left.size() > 1 ? left.removeFirst() : left.getFirst();
    }
  }
}
