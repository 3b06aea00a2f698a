package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * The server's HTTP interface, as the commands use it. Every refusal is a {@link Failure} that says
 * what to do.
 */
final class Api implements AutoCloseable {
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
  private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(30);

  private final URI url;
  private final String key;
  private final HttpClient client;

  Api(URI url, String key) {
    this.url = url;
    this.key = key;
    this.client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT_TIMEOUT)
            .build();
  }

  URI url() {
    return url;
  }

  JsonNode get(String path) {
    return exchange("GET", path, null);
  }

  JsonNode post(String path, @Nullable JsonNode body) {
    return exchange("POST", path, body == null ? Json.object() : body);
  }

  JsonNode delete(String path) {
    return exchange("DELETE", path, null);
  }

  /** Copies an answer of any length. */
  void download(String path, OutputStream into) {
    try {
      HttpResponse<InputStream> response =
          send(request(path).GET().build(), HttpResponse.BodyHandlers.ofInputStream());
      try (InputStream body = response.body()) {
        if (response.statusCode() >= 400) {
          throw refused(
              response.statusCode(),
              new String(body.readNBytes(64 * 1024), StandardCharsets.UTF_8));
        }
        body.transferTo(into);
      }
    } catch (IOException lost) {
      throw unreachable(lost);
    }
  }

  /** Opens an event stream by POST. The caller closes it. */
  EventStream stream(String path, JsonNode body) throws IOException {
    HttpRequest request =
        request(path)
            .header("accept", "text/event-stream")
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(Json.write(body)))
            .build();
    return open(request);
  }

  /** Joins an event stream after the event with that id. The caller closes it. */
  EventStream join(String path, String lastEventId) throws IOException {
    HttpRequest request =
        request(path)
            .header("accept", "text/event-stream")
            .header("last-event-id", lastEventId)
            .GET()
            .build();
    return open(request);
  }

  /** Text as one segment of a path. */
  static String segment(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  @Override
  public void close() {
    client.shutdownNow();
  }

  private JsonNode exchange(String method, String path, @Nullable JsonNode body) {
    HttpRequest.BodyPublisher publisher =
        body == null
            ? HttpRequest.BodyPublishers.noBody()
            : HttpRequest.BodyPublishers.ofString(Json.write(body));
    HttpRequest.Builder request =
        request(path).timeout(ANSWER_TIMEOUT).header("accept", "application/json");
    if (body != null) {
      request.header("content-type", "application/json");
    }
    HttpResponse<String> response;
    try {
      response =
          send(request.method(method, publisher).build(), HttpResponse.BodyHandlers.ofString());
    } catch (IOException lost) {
      throw unreachable(lost);
    }
    if (response.statusCode() >= 400) {
      throw refused(response.statusCode(), response.body());
    }
    if (response.body().isBlank()) {
      return Json.object();
    }
    return parsed(response.body());
  }

  private EventStream open(HttpRequest request) throws IOException {
    HttpResponse<InputStream> response = send(request, HttpResponse.BodyHandlers.ofInputStream());
    if (response.statusCode() >= 400) {
      try (InputStream body = response.body()) {
        throw refused(
            response.statusCode(), new String(body.readNBytes(64 * 1024), StandardCharsets.UTF_8));
      }
    }
    Optional<String> location = response.headers().firstValue("location");
    return new EventStream(response.body(), location);
  }

  private HttpRequest.Builder request(String path) {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base() + path));
    request.header("user-agent", "turnkeeper-cli");
    if (!key.isEmpty()) {
      request.header("x-api-key", key);
    }
    return request;
  }

  private String base() {
    String text = url.toString();
    return text.endsWith("/") ? text.substring(0, text.length() - 1) : text;
  }

  private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler)
      throws IOException {
    try {
      return client.send(request, handler);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw new Failure(ExitCode.INTERRUPTED, "interrupted");
    }
  }

  /** What it means to the person that the server cannot be reached. */
  Failure unreachable(IOException cause) {
    String why =
        switch (cause) {
          case HttpTimeoutException late -> "it does not answer in time";
          case ConnectException refused -> "nothing listens there";
          default -> cause.getMessage() == null ? cause.toString() : cause.getMessage();
        };
    return new Failure(
        ExitCode.UNREACHABLE,
        "cannot reach %s: %s; start it with: turnkeeper up, or name another with --url"
            .formatted(url, why));
  }

  private JsonNode parsed(String body) {
    try {
      return Json.parse(body);
    } catch (JacksonException notJson) {
      throw new Failure(
          ExitCode.FAILED, "%s does not answer with JSON: is it a Turnkeeper?".formatted(url));
    }
  }

  private Failure refused(int status, String body) {
    JsonNode problem;
    try {
      problem = Json.parse(body);
    } catch (JacksonException notJson) {
      problem = Json.object();
    }
    String detail =
        problem.path("detail").asString(problem.path("title").asString("status " + status));
    String next =
        switch (status) {
          case 401 -> "; give a valid key with --key or TURNKEEPER_API_KEY";
          case 403 -> "; use a key with a higher role";
          case 429, 503 -> "; try again in a moment";
          default -> "";
        };
    String code = problem.path("code").asString("");
    return new Failure(
        status < 500 ? ExitCode.REFUSED : ExitCode.FAILED,
        detail.replaceAll("\\p{Cntrl}", " ") + next + (code.isEmpty() ? "" : " [" + code + "]"));
  }
}
