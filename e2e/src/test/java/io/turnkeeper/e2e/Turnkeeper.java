package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
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
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A replica from the built jar on a data directory of its own, and how to talk to it. It may be
 * stopped, killed and started again; the directory stays.
 */
final class Turnkeeper implements AutoCloseable {
  private static final String SECRETS_KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=";

  static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Duration READY_WITHIN = Duration.ofSeconds(120);
  private static final Duration STOP_WITHIN = Duration.ofSeconds(40);
  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);
  private static final Pattern READY = Pattern.compile("ready at (http://\\S+)");
  private static final Pattern KEY = Pattern.compile("key\\s*=\\s*\"(tk_[^\"]+)\"");

  /** What belongs to the replica itself, not to what ran on it. */
  private static final Set<String> KEPT =
      Set.of("credentials", "format", "lock", "postgres", "postgres-binaries");

  private final Path data;
  private final List<String> options;
  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Map<String, String> environment = new HashMap<>();
  private Path release;
  private int starts;
  private Process process;
  private String url;
  private String key;

  private Turnkeeper(Path data, List<String> options) {
    this.data = data;
    this.options = options;
  }

  static Turnkeeper start(Path data) {
    Turnkeeper replica = of(data);
    replica.start();
    return replica;
  }

  /** Of a release that has these files beside those of the jar. */
  Turnkeeper ofRelease(Path files) {
    release = files;
    return this;
  }

  /** Every start has these variables too. */
  Turnkeeper with(Map<String, String> variables) {
    environment.putAll(variables);
    return this;
  }

  /** Not started yet. The options follow those of every start. */
  static Turnkeeper of(Path data, String... options) {
    return new Turnkeeper(data, List.of(options));
  }

  /** An answer to a request, whatever its status. */
  record Answer(int status, JsonNode body, String text) {
    Answer expect(int wanted) {
      assertThat(status).as("status, with the body %s", text).isEqualTo(wanted);
      return this;
    }
  }

  /** As the launcher would start it. */
  static List<String> command(String... arguments) {
    List<String> command = new ArrayList<>(Jvm.flags(arguments[0]));
    command.addAll(Jvm.cached());
    command.addAll(List.of("-jar", Jvm.jar().toString()));
    command.addAll(List.of(arguments));
    return command;
  }

  /** A command of a release that has these files beside those of the jar. */
  static List<String> command(Path release, String... arguments) {
    List<String> command = new ArrayList<>(Jvm.flags(arguments[0]));
    command.addAll(List.of("-cp", release + File.pathSeparator + Jvm.jar()));
    command.add("io.turnkeeper.cli.Main");
    command.addAll(List.of(arguments));
    return command;
  }

  void start() {
    launch();
    awaitReady();
    Matcher stored = KEY.matcher(read(data.resolve("credentials")));
    assertThat(stored.find()).as("a key in the credentials").isTrue();
    key = stored.group(1);
  }

  /** Starts a further replica of one service, whose key the first one printed. */
  void start(String serviceKey) {
    launch();
    awaitReady();
    key = serviceKey;
  }

  private void launch() {
    starts++;
    Path out = log("out");
    String[] up = {"up", "--port", "0", "--data", data.toString()};
    List<String> words = new ArrayList<>(release == null ? command(up) : command(release, up));
    words.addAll(options);
    try {
      ProcessBuilder builder = new ProcessBuilder(words);
      builder.environment().keySet().removeIf(name -> name.startsWith("TURNKEEPER_"));
      // Replicas that share a database share the key of agents' variables.
      builder.environment().put("TURNKEEPER_SECRETS_KEY", SECRETS_KEY);
      // Agents of these tests write marks where a sandbox would not let them.
      builder.environment().put("TURNKEEPER_WORKER_SANDBOX", "none");
      builder.environment().putAll(environment);
      process = builder.redirectOutput(out.toFile()).redirectError(log("err").toFile()).start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void awaitReady() {
    Path out = log("out");
    Awaitility.await("the replica says that it is ready")
        .atMost(READY_WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .failFast(
            "the replica ended",
            () ->
                assertThat(process.isAlive())
                    .as("alive:\n%s%s", read(out), read(log("err")))
                    .isTrue())
        .until(() -> READY.matcher(read(out)).find());
    Matcher ready = READY.matcher(read(out));
    assertThat(ready.find()).isTrue();
    url = ready.group(1);
  }

  /** Stops it as an operator would. */
  void stop() {
    terminate();
    awaitStopped();
  }

  /** Tells it to stop, and does not wait. */
  void terminate() {
    process.destroy();
  }

  void awaitStopped() {
    waitForEnd();
    assertThat(process.exitValue()).as("exit status; log:\n%s", errors()).isZero();
  }

  /** Ends it as a failing machine would. */
  void kill() {
    process.destroyForcibly();
    waitForEnd();
  }

  /** Stops its process where it is, but not what it started; or lets it go on. */
  void pause(boolean pause) {
    signal(pid(), pause ? "-STOP" : "-CONT");
  }

  static void signal(long pid, String signal) {
    try {
      Process kill = new ProcessBuilder("kill", signal, Long.toString(pid)).start();
      assertThat(kill.waitFor()).as("kill %s %d", signal, pid).isZero();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  boolean started() {
    return process != null;
  }

  boolean isAlive() {
    return process.isAlive();
  }

  private void waitForEnd() {
    try {
      assertThat(process.waitFor(STOP_WITHIN.toSeconds(), TimeUnit.SECONDS))
          .as("the replica ends within %s", STOP_WITHIN)
          .isTrue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /**
   * Removes what agents left on this machine, as if the next replica ran on another one: everything
   * in the data directory but the database and the credentials.
   */
  void wipeWorkingFiles() {
    assertThat(process.isAlive()).isFalse();
    try (var entries = Files.list(data)) {
      for (Path entry : entries.toList()) {
        String name = entry.getFileName().toString();
        if (!KEPT.contains(name)) {
          removeTree(entry);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void removeTree(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    try (var all = Files.walk(root)) {
      for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  String url() {
    return url;
  }

  String key() {
    return key;
  }

  Path data() {
    return data;
  }

  long pid() {
    return process.pid();
  }

  /** What the newest start wrote to its error output. */
  String errors() {
    return read(log("err"));
  }

  private Path log(String kind) {
    return data.resolveSibling(data.getFileName() + "-up-" + starts + "." + kind);
  }

  static String read(Path file) {
    try {
      return Files.exists(file) ? Files.readString(file) : "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(url + path))
        .header("x-api-key", key)
        .header("content-type", "application/json")
        .timeout(ANSWER_WITHIN);
  }

  Answer send(HttpRequest request) {
    try {
      HttpResponse<String> response = http.send(request, BodyHandlers.ofString());
      JsonNode body = JSON.nullNode();
      if (response.headers().firstValue("content-type").orElse("").contains("json")
          && !response.body().isBlank()) {
        body = JSON.readTree(response.body());
      }
      return new Answer(response.statusCode(), body, response.body());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  Answer get(String path) {
    return send(request(path).GET().build());
  }

  /** Asked again for as long as the answer is to come back later. */
  Answer patientGet(String path) {
    return Awaitility.await("an answer to " + path)
        .atMost(ANSWER_WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .until(() -> get(path), it -> it.status() != 503);
  }

  Answer post(String path, Object body) {
    return postRaw(path, JSON.writeValueAsString(body));
  }

  Answer postRaw(String path, String body) {
    return send(request(path).POST(BodyPublishers.ofString(body)).build());
  }

  void addAgent(Map<String, Object> definition) {
    assertThat(post("/admin/agents", definition))
        .matches(answer -> answer.status() == 200 || answer.status() == 201, "is accepted");
  }

  String newThread() {
    return post("/threads", Map.of()).expect(200).body().get("thread_id").asString();
  }

  static Map<String, Object> message(String agent, String text) {
    return Map.of(
        "assistant_id",
        agent,
        "input",
        Map.of("messages", List.of(Map.of("role", "user", "content", text))));
  }

  /** Starts a run and returns its id. */
  String run(String thread, String agent, String text) {
    return post("/threads/" + thread + "/runs", message(agent, text))
        .expect(200)
        .body()
        .get("run_id")
        .asString();
  }

  /** Sends a message and returns what the agent says; the run must succeed. */
  String ask(String thread, String agent, String text) {
    String run = run(thread, agent, text);
    JsonNode ended = ended(run, ANSWER_WITHIN);
    assertThat(ended.get("status").asString()).as("status of %s", ended).isEqualTo("completed");
    JsonNode messages = get("/threads/" + thread).expect(200).body().at("/values/messages");
    return messages.get(messages.size() - 1).get("content").asString();
  }

  /** The run, as the admin API tells it, when it has ended. */
  JsonNode ended(String run, Duration within) {
    return Awaitility.await("run " + run + " ends")
        .atMost(within)
        .pollInterval(Duration.ofMillis(50))
        .until(
            () -> patientGet("/admin/runs/" + run).expect(200).body(),
            it -> !List.of("pending", "running").contains(it.get("status").asString()));
  }

  void isRunning(String run) {
    Awaitility.await("run " + run + " starts")
        .atMost(ANSWER_WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .until(
            () -> get("/admin/runs/" + run).expect(200).body().get("status").asString(),
            "running"::equals);
  }

  @Override
  public void close() {
    if (!process.isAlive()) {
      return;
    }
    process.destroy();
    try {
      if (!process.waitFor(STOP_WITHIN.toSeconds(), TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
