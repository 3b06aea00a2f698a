package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * One replica of the built jar, a process of its own on a directory of its own; it may be stopped,
 * killed and started again.
 */
final class Replica implements AutoCloseable {
  /** Of replicas that share a database: what seals agents' variables. Of no use anywhere else. */
  private static final String SECRETS_KEY = "YmVuY2gtb25seS1iZW5jaC1vbmx5LWJlbmNoLW9ubHk=";

  private static final int READY_WITHIN = 120;
  private static final int ANSWER_WITHIN = 30;
  private static final int REFUSED = 400;
  private static final int SERVER_ERROR = 500;
  private static final int STOP_WITHIN = 90;
  private static final Pattern READY = Pattern.compile("ready at (http://\\S+)");
  private static final Pattern KEY = Pattern.compile("key\\s*=\\s*\"(tk_[^\"]+)\"");

  /** An answer to a request, whatever its status. */
  record Answer(int status, JsonNode body) {}

  private final List<String> command;
  private final Path data;
  private final Path log;
  private final HttpClient http =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(5))
          .build();
  private @Nullable Process process;
  private String url = "";
  private String key = "";
  private int starts;

  /**
   * @param program the command up to its subcommand
   */
  Replica(List<String> program, Path data, String databaseUrl) {
    this.data = data;
    this.log = data.resolveSibling(data.getFileName() + ".log");
    this.command = new ArrayList<>(program);
    command.addAll(
        List.of("up", "--port", "0", "--data", data.toString(), "--database-url", databaseUrl));
  }

  /** The first one of a service: makes the schema and prints the key. */
  void startFirst() {
    launch();
    awaitReady();
    Matcher stored = KEY.matcher(read(data.resolve("credentials")));
    if (!stored.find()) {
      throw new IllegalStateException("no key in the credentials");
    }
    key = stored.group(1);
  }

  void start(String serviceKey) {
    launch();
    awaitReady();
    key = serviceKey;
  }

  private void launch() {
    try {
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().keySet().removeIf(name -> name.startsWith("TURNKEEPER_"));
      builder.environment().put("TURNKEEPER_SECRETS_KEY", SECRETS_KEY);
      starts++;
      process =
          builder
              .redirectOutput(said().toFile())
              .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()))
              .start();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private void awaitReady() {
    boolean ready =
        Threads.await(
            20, READY_WITHIN, () -> !isAlive() || READY.matcher(read(said())).find());
    Matcher found = READY.matcher(read(said()));
    if (!ready || !found.find()) {
      throw new IllegalStateException("a replica did not start:\n" + read(log));
    }
    url = found.group(1);
  }

  private Path said() {
    return data.resolveSibling(data.getFileName() + "-" + starts + ".out");
  }

  String url() {
    return url;
  }

  String key() {
    return key;
  }

  long pid() {
    return running().pid();
  }

  boolean isAlive() {
    return process != null && process.isAlive();
  }

  private Process running() {
    Process now = process;
    if (now == null) {
      throw new IllegalStateException("not started");
    }
    return now;
  }

  /** As a failing machine would end it. Does not wait. */
  void kill() {
    Process now = process;
    if (now != null) {
      now.destroyForcibly();
    }
  }

  /** Tells it to stop. Does not wait. */
  void terminate() {
    running().destroy();
  }

  void awaitEnd() {
    try {
      if (!running().waitFor(STOP_WITHIN, TimeUnit.SECONDS)) {
        throw new IllegalStateException("a replica did not end:\n" + read(log));
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(stopping);
    }
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(url + path))
        .header("x-api-key", key)
        .header("content-type", "application/json")
        .timeout(Duration.ofSeconds(30));
  }

  Answer get(String path) {
    return send(request(path).GET().build());
  }

  Answer post(String path, Object body) {
    return send(
        request(path).POST(BodyPublishers.ofString(Json.MAPPER.writeValueAsString(body))).build());
  }

  private Answer send(HttpRequest request) {
    HttpResponse<String> response = exchange(request);
    String text = response.body();
    return new Answer(
        response.statusCode(), text.isEmpty() ? Json.object() : Json.MAPPER.readTree(text));
  }

  /** How many runs ended here since its start. */
  long served() {
    return exchange(request("/metrics").GET().build())
        .body()
        .lines()
        .filter(line -> line.startsWith("turnkeeper_run_duration_seconds_count"))
        .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }

  private HttpResponse<String> exchange(HttpRequest request) {
    try {
      return http.send(request, BodyHandlers.ofString());
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(stopping);
    }
  }

  /** What must be answered with success, if not at once. */
  JsonNode asked(String path, Object body) {
    Answer[] last = {new Answer(0, Json.object())};
    Threads.await(
        100,
        ANSWER_WITHIN,
        () -> {
          last[0] = post(path, body);
          return last[0].status() < SERVER_ERROR;
        });
    if (last[0].status() >= REFUSED) {
      throw new IllegalStateException(path + ": " + last[0]);
    }
    return last[0].body();
  }

  String newThread() {
    return asked("/threads", Map.of()).get("thread_id").asString();
  }

  /** Starts a run and returns its id. */
  String run(String thread, String agent, String text) {
    return asked("/threads/" + thread + "/runs", message(agent, text)).get("run_id").asString();
  }

  static Map<String, Object> message(String agent, String text) {
    return Map.of(
        "assistant_id",
        agent,
        "input",
        Map.of("messages", List.of(Map.of("role", "user", "content", text))));
  }

  /** What it logged as errors. */
  List<String> errors() {
    return read(log).lines().filter(line -> line.contains("\"level\":\"ERROR\"")).toList();
  }

  private static String read(Path file) {
    try {
      return Files.exists(file) ? Files.readString(file) : "";
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  @Override
  public void close() {
    if (isAlive()) {
      terminate();
      try {
        awaitEnd();
      } finally {
        kill();
      }
    }
  }
}
