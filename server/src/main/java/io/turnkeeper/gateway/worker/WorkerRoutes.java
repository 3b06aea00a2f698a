package io.turnkeeper.gateway.worker;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Handler;
import io.turnkeeper.http.PendingJson;
import io.turnkeeper.http.Route;
import io.turnkeeper.http.SseStream;
import io.turnkeeper.orchestrator.Assignment;
import io.turnkeeper.orchestrator.WorkerLink;
import io.turnkeeper.orchestrator.WorkerPort;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tokens.RunScope;
import io.turnkeeper.tokens.RunTokens;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The routes of workers. A worker connects, or asks for work, with a key of its agent; for a run it
 * acts with that run's token, which says what the run is: nothing in a request does.
 */
public final class WorkerRoutes {
  private static final int CAPACITY_MAX = 10_000;
  private static final int TAKE_MAX = 100;
  private static final long WAIT_MS_MAX = 30_000;
  private static final Duration HEARTBEAT = Duration.ofSeconds(5);
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");

  private final Guard guard;
  private final WorkerPort port;
  private final RunTokens tokens;

  private WorkerRoutes(Guard guard, WorkerPort port, RunTokens tokens) {
    this.guard = guard;
    this.port = port;
    this.tokens = tokens;
  }

  /** Every route under {@code /worker}. */
  public static List<Route> of(Guard guard, WorkerPort port, RunTokens tokens) {
    WorkerRoutes it = new WorkerRoutes(guard, port, tokens);
    SnapshotRoutes snapshots = new SnapshotRoutes(port);
    return List.of(
        Route.get("/worker/stream", it.guard.worker(it::stream)),
        Route.post("/worker/claim", it.guard.worker(it::claim)),
        Route.post("/worker/response", it.run(it::respond)),
        Route.post("/worker/heartbeat", it.run(it::heartbeat)),
        Route.get("/worker/thread", it.run(it::thread)),
        Route.post("/worker/events", it.run(it::event)),
        Route.get("/worker/transcript/snapshot", it.run(snapshots::get)),
        Route.post("/worker/transcript/snapshot", it.run(snapshots::post)),
        Route.delete("/worker/transcript/snapshot", it.run(snapshots::delete)));
  }

  /** Answers a request that is made with a run's token. */
  @FunctionalInterface
  interface Action {
    void handle(Exchange exchange, RunScope scope) throws Exception;
  }

  private Handler run(Action action) {
    return exchange -> action.handle(exchange, scope(exchange));
  }

  /** A worker's key is good, and is no run's: it is told so, rather than that it is unknown. */
  private RunScope scope(Exchange exchange) {
    if (exchange.credential().filter(text -> text.startsWith("tk_")).isPresent()) {
      guard.identified(exchange);
      throw new Refusal.Denied("run_token_needed", "this needs the token of a run");
    }
    RunScope scope = tokens.verify(exchange.credential());
    LogField.ORGANIZATION.set(scope.organization().toString());
    LogField.CONVERSATION.set(scope.thread());
    RunId run = scope.run();
    if (run != null) {
      LogField.RUN.set(run.toString());
    }
    guard.admit(scope.organization());
    return scope;
  }

  private void stream(Exchange exchange, Caller caller) throws InterruptedException {
    WorkerPort.Who who =
        who(
            caller,
            exchange.query("worker").orElse(null),
            exchange.queryInt("concurrency", 1, 1, CAPACITY_MAX));
    // So often that a peer that is gone is noticed before a run that was lost with it comes back.
    Duration sixth = port.deadline().dividedBy(6);
    Duration beat = sixth.compareTo(HEARTBEAT) < 0 ? sixth : HEARTBEAT;
    SseStream out = exchange.sse();
    try (WorkerLink link = port.connect(who)) {
      out.onClose(link::wake);
      out.send("ready", null, welcome(who));
      while (out.isOpen()) {
        Optional<WorkerLink.Over> over = link.over();
        if (over.isPresent()) {
          String word = over.get().name().toLowerCase(Locale.ROOT);
          out.send(word, null, Json.object().put("worker", who.name()));
          break;
        }
        for (Assignment assignment : link.take()) {
          out.send("run", null, RunJson.of(assignment, port.deadline()));
        }
        link.news()
            .forEach(run -> out.send("news", null, Json.object().put("run_id", run.toString())));
        link.await(beat);
        out.heartbeat();
      }
      out.end();
    }
  }

  private ObjectNode welcome(WorkerPort.Who who) {
    return Json.object()
        .put("worker", who.name())
        .put("concurrency", who.capacity())
        .put("deadline_ms", port.deadline().toMillis());
  }

  private void claim(Exchange exchange, Caller caller) throws InterruptedException {
    ObjectNode body = exchange.bodyObjectOrEmpty();
    String name = body.path("worker").asStringOpt().orElse(null);
    int capacity = number(body, "concurrency", 1, CAPACITY_MAX, 1);
    int max = number(body, "max", 1, TAKE_MAX, 1);
    Duration wait = Duration.ofMillis(number(body, "wait_ms", 0, (int) WAIT_MS_MAX, 0));
    WorkerPort.Who who = who(caller, name, capacity);
    PendingJson out = exchange.pendingJson();
    long until = System.nanoTime() + wait.toNanos();
    try (WorkerPort.Poll poll = port.poll(who, wait)) {
      List<Assignment> taken = poll.take(max);
      long left = until - System.nanoTime();
      while (taken.isEmpty() && left > 0 && out.isOpen()) {
        poll.await(Duration.ofNanos(Math.min(left, HEARTBEAT.toNanos())));
        out.keepAlive();
        taken = poll.take(max);
        left = until - System.nanoTime();
      }
      ObjectNode answer = welcome(who);
      ArrayNode runs = answer.putArray("runs");
      taken.forEach(assignment -> runs.add(RunJson.of(assignment, port.deadline())));
      out.end(answer);
    }
  }

  private static WorkerPort.Who who(Caller caller, @Nullable String given, int capacity) {
    String name = given == null || given.isEmpty() ? UUID.randomUUID().toString() : given;
    if (!NAME.matcher(name).matches()) {
      throw new Refusal.Invalid(
          "invalid_name",
          "worker",
          "a worker's name is 1 to 63 letters, digits, '.', '_' and '-', not "
              + Refusal.shown(name));
    }
    return new WorkerPort.Who(
        caller.organization(), caller.requireAgent(), caller.keyId(), name, capacity);
  }

  private void respond(Exchange exchange, RunScope scope) {
    if (!(exchange.bodyObject().path("events") instanceof ArrayNode events)) {
      throw new Refusal.Invalid("field_missing", "events", "events must be a list");
    }
    exchange.json(200, Json.object().put("accepted", port.respond(scope, events)));
  }

  private void heartbeat(Exchange exchange, RunScope scope) {
    exchange.responseHeader("Cache-Control", "no-store");
    exchange.json(200, RunJson.of(port.heartbeat(scope), port.deadline()));
  }

  private void thread(Exchange exchange, RunScope scope) {
    ObjectNode answer = Json.object().put("thread_id", scope.thread());
    answer.set("messages", port.messages(scope));
    exchange.json(200, answer);
  }

  private void event(Exchange exchange, RunScope scope) {
    if (!(exchange.bodyObject().path("data") instanceof ObjectNode data)) {
      throw new Refusal.Invalid("field_missing", "data", "data must be an object");
    }
    port.custom(scope, data);
    exchange.json(200, Json.object().put("accepted", true));
  }

  private static int number(ObjectNode body, String field, int min, int max, int whenAbsent) {
    var node = body.path(field);
    if (node.isMissingNode() || node.isNull()) {
      return whenAbsent;
    }
    if (!node.isIntegralNumber()
        || !node.canConvertToInt()
        || node.intValue() < min
        || node.intValue() > max) {
      throw new Refusal.Invalid(
          "out_of_range", field, field + " must be a whole number from " + min + " to " + max);
    }
    return node.intValue();
  }
}
