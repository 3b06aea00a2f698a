package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One message and its streamed answer. Survives lost connections: it joins again after the last
 * event that it saw.
 */
final class ChatTurn {
  private static final Duration RETRY_FIRST = Duration.ofMillis(200);
  private static final Duration RETRY_MAX = Duration.ofSeconds(5);
  private static final Duration RETRY_FOR = Duration.ofMinutes(2);

  private static final Duration SILENT_FOR = Duration.ofSeconds(3);
  private static final Set<String> NOT_WAITING = Set.of("running", "waiting", "ended");

  /** A stream's beginning, as the protocol names it. */
  private static final String FROM_START = "-1";

  private static final Pattern RUN = Pattern.compile("^(.*/runs/[^/]+)/stream");

  private Api api;
  private Optional<Api> other = Optional.empty();
  private final AnswerPrinter printer;
  private final Function<String, Optional<String>> ask;
  private final AtomicReference<@Nullable String> runPath = new AtomicReference<>();
  private final AtomicBoolean cancelled = new AtomicBoolean();

  private final CountDownLatch begun = new CountDownLatch(1);
  private final Set<String> asked = new HashSet<>();
  private Optional<Permission> unanswered = Optional.empty();

  private String lastEventId = FROM_START;

  /**
   * @param ask puts a question to the person; empty when there is none
   */
  ChatTurn(Api api, AnswerPrinter printer, Function<String, Optional<String>> ask) {
    this.api = api;
    this.printer = printer;
    this.ask = ask;
  }

  AnswerPrinter printer() {
    return printer;
  }

  /** Another server of the same cluster, where the stream is joined when this one is gone. */
  void orElse(Api another) {
    other = Optional.of(another);
  }

  /** Returns when the run has ended. */
  ExitCode run(String agent, String thread, String message) {
    EventStream stream;
    try {
      stream = api.stream("/threads/" + Api.segment(thread) + "/runs/stream", body(agent, message));
    } catch (IOException lost) {
      throw api.unreachable(lost);
    }
    String location = stream.location().orElse("");
    Matcher run = RUN.matcher(location);
    if (!run.find()) {
      stream.close();
      throw new Failure(
          ExitCode.FAILED, api.url() + " does not say where the run is: is it a Turnkeeper?");
    }
    runPath.set(run.group(1));
    Thread waiting = Thread.ofVirtual().start(this::sayWhyItWaits);
    try {
      return follow(stream, location);
    } finally {
      waiting.interrupt();
      printer.end();
    }
  }

  /** A queued message is silent for as long as it waits: a person wants to know for what. */
  private void sayWhyItWaits() {
    try {
      if (begun.await(SILENT_FOR.toMillis(), TimeUnit.MILLISECONDS)) {
        return;
      }
      String run = String.valueOf(runPath.get()).replaceAll(".*/", "");
      JsonNode why = api.get("/admin/runs/" + run + "/why");
      if (begun.getCount() > 0 && !NOT_WAITING.contains(why.path("why").asString("ended"))) {
        printer.remark("waiting: " + why.path("detail").asString(""));
      }
    } catch (InterruptedException | Failure notNeeded) {
      // It ended meanwhile, or the server does not say.
    }
  }

  /** Asks the server to cancel the run, once. The stream then ends by itself. */
  void cancel() {
    String path = runPath.get();
    if (path != null && cancelled.compareAndSet(false, true)) {
      try {
        api.post(path + "/cancel?wait=0&action=interrupt", null);
      } catch (Failure gone) {
        printer.remark("could not cancel: " + gone.getMessage());
      }
    }
  }

  /** From here on {@link #cancel} does nothing. */
  void detach() {
    runPath.set(null);
  }

  private static ObjectNode body(String agent, String message) {
    ObjectNode body = Json.object();
    body.put("assistant_id", agent);
    body.putObject("input")
        .putArray("messages")
        .addObject()
        .put("role", "user")
        .put("content", message);
    // Custom carries what the agent sends, updates what it asks.
    body.putArray("stream_mode").add("custom").add("updates");
    body.put("stream_resumable", true);
    body.put("on_disconnect", "continue");
    body.put("multitask_strategy", "enqueue");
    body.put("if_not_exists", "create");
    return body;
  }

  private ExitCode follow(EventStream first, String location) {
    EventStream stream = first;
    while (true) {
      try (EventStream open = stream) {
        drain(open);
        Optional<ExitCode> end = ended();
        if (end.isPresent()) {
          return end.get();
        }
      } catch (IOException lost) {
        printer.remark("connection lost; joining again");
        other.ifPresent(it -> api = it);
      }
      stream = joined(location);
    }
  }

  private void drain(EventStream stream) throws IOException {
    Optional<EventStream.Event> event = stream.next();
    while (event.isPresent()) {
      handle(event.get());
      event = stream.next();
    }
  }

  private void handle(EventStream.Event event) {
    begun.countDown();
    if (!event.id().isEmpty()) {
      lastEventId = event.id();
    }
    JsonNode data;
    try {
      data = Json.parse(event.data().isEmpty() ? "null" : event.data());
    } catch (JacksonException notJson) {
      return;
    }
    printer.event(event.name(), data);
    for (Permission permission : Permission.in(data)) {
      if (asked.add(permission.id())) {
        decide(permission);
      }
    }
  }

  private void decide(Permission permission) {
    Optional<String> option = permission.put(printer, ask);
    if (option.isEmpty()) {
      unanswered = Optional.of(permission);
      return;
    }
    try {
      api.post(
          runPath.get() + "/permissions/" + Api.segment(permission.id()),
          Json.object().put("option_id", option.get()));
    } catch (Failure refused) {
      // Somebody else was quicker, or it expired: the stream says what came of it.
      printer.remark(String.valueOf(refused.getMessage()));
    }
  }

  /** Empty while the run goes on. */
  private Optional<ExitCode> ended() {
    JsonNode run = api.get(String.valueOf(runPath.get()));
    String status = run.path("status").asString("");
    return switch (status) {
      case "pending", "running" -> Optional.empty();
      case "success" -> Optional.of(ExitCode.OK);
      case "interrupted" -> waiting();
      default -> {
        if (cancelled.get()) {
          printer.remark("cancelled");
          yield Optional.of(ExitCode.INTERRUPTED);
        }
        printer.failed(status);
        yield Optional.of(ExitCode.RUN_FAILED);
      }
    };
  }

  /** Its stream ends while it asks; what was answered here goes on in the next one. */
  private Optional<ExitCode> waiting() {
    if (cancelled.get()) {
      printer.remark("cancelled");
      return Optional.of(ExitCode.INTERRUPTED);
    }
    if (unanswered.isEmpty()) {
      return Optional.empty();
    }
    Permission open = unanswered.get();
    printer.notice(
        "turnkeeper: the run waits for an answer; give it with: turnkeeper runs answer %s %s %s"
            .formatted(
                String.valueOf(runPath.get()).replaceAll(".*/", ""), open.id(), open.options()));
    return Optional.of(ExitCode.RUN_FAILED);
  }

  private EventStream joined(String location) {
    long start = System.nanoTime();
    Duration pause = RETRY_FIRST;
    while (true) {
      LockSupport.parkNanos(pause.toNanos());
      try {
        return api.join(location, lastEventId);
      } catch (IOException stillAway) {
        if (System.nanoTime() - start > RETRY_FOR.toNanos()) {
          throw new Failure(
              ExitCode.UNREACHABLE,
              "%s is away; the run goes on there: turnkeeper runs tail %s"
                  .formatted(api.url(), location.replaceAll(".*/runs/([^/]+)/.*", "$1")));
        }
        Duration twice = pause.multipliedBy(2);
        pause = twice.compareTo(RETRY_MAX) < 0 ? twice : RETRY_MAX;
      }
    }
  }
}
