package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Accepted;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.orchestrator.NewTurn;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Role;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/** Runs, on threads and without one. */
final class RunRoutes {
  private static final int LIMIT_MAX = 1_000;
  private static final int OFFSET_MAX = 1_000_000;
  private static final int BATCH_MAX = 100;
  private static final Duration CANCEL_WAIT = Duration.ofSeconds(30);
  private static final String THREAD = "thread_id";
  private static final String RUN = "run_id";

  private final Guard guard;
  private final Agents agents;
  private final Conversations conversations;
  private final Threads threads;
  private final RunStreams streams;

  RunRoutes(Guard guard, Agents agents, Conversations conversations, RunStreams streams) {
    this.guard = guard;
    this.agents = agents;
    this.conversations = conversations;
    this.threads = new Threads(conversations);
    this.streams = streams;
  }

  List<Route> routes() {
    return List.of(
        Route.post("/threads/{thread_id}/runs", guard.client(this::create)),
        Route.post("/threads/{thread_id}/runs/stream", guard.client(this::createAndStream)),
        Route.post("/threads/{thread_id}/runs/wait", guard.client(this::createAndWait)),
        Route.get("/threads/{thread_id}/runs", guard.reader(this::list)),
        Route.get("/threads/{thread_id}/runs/{run_id}", guard.reader(this::get)),
        Route.delete("/threads/{thread_id}/runs/{run_id}", guard.client(this::delete)),
        Route.get("/threads/{thread_id}/runs/{run_id}/join", guard.reader(this::join)),
        Route.get("/threads/{thread_id}/runs/{run_id}/stream", guard.reader(this::stream)),
        Route.post("/threads/{thread_id}/runs/{run_id}/cancel", guard.client(this::cancel)),
        Route.post("/runs", guard.client(this::create)),
        Route.post("/runs/stream", guard.client(this::createAndStream)),
        Route.post("/runs/wait", guard.client(this::createAndWait)),
        Route.post("/runs/batch", guard.client(this::batch)),
        Route.post("/runs/cancel", guard.client(this::cancelMany)),
        Route.get("/runs/{run_id}", guard.reader(this::get)),
        Route.get("/runs/{run_id}/stream", guard.reader(this::stream)),
        Route.get("/runs/{run_id}/join", guard.reader(this::join)),
        Route.post("/runs/{run_id}/cancel", guard.client(this::cancel)));
  }

  /** What a request asked for: a run, and from where its stream is news to the client. */
  private record Asked(Run run, RunRequest request, Cursor from, boolean stateless) {}

  private Asked ask(Exchange exchange, Caller caller) {
    RunRequest request = RunRequest.read(exchange.bodyObject());
    String thread = stateless(exchange) ? null : exchange.pathParam(THREAD);
    if (thread != null && (thread.isEmpty() || thread.length() > Threads.ID_CHARS_MAX)) {
      throw new Refusal.NotFound("thread", thread);
    }
    refuseFork(caller, thread, request);
    JsonNode resume = request.resume();
    if (resume != null) {
      return resume(caller, thread, request, resume);
    }
    guard.mayQueue(caller, 1);
    Accepted accepted =
        conversations.post(request.turn(caller.organization(), thread, exchange, ""));
    Run run =
        conversations
            .run(caller.organization(), accepted.run())
            .orElseThrow(() -> new Refusal.NotFound("run", accepted.run().toString()));
    if (accepted.replayed()) {
      exchange.responseHeader("Idempotent-Replayed", "true");
    }
    return new Asked(run, request, Cursor.START, thread == null);
  }

  /** Clients name the state that they show: fine as long as it is where the thread is. */
  private void refuseFork(Caller caller, @Nullable String thread, RunRequest request) {
    String checkpoint = request.checkpoint();
    if (checkpoint == null) {
      return;
    }
    boolean newest =
        thread != null
            && threads.isNewest(threads.thread(caller.organization(), thread), checkpoint);
    if (!newest) {
      throw new Refusal.Unsupported(
          "checkpoint_not_supported",
          "checkpoint",
          "a run goes on from the newest state of its thread; starting from an older one is not"
              + " supported yet");
    }
  }

  /** Answers what the thread's run asks; the same run goes on. */
  private Asked resume(
      Caller caller, @Nullable String thread, RunRequest request, JsonNode resume) {
    if (thread == null) {
      throw new Refusal.Invalid(
          "nothing_to_resume", "command.resume", "a run without a thread waits for nobody");
    }
    StoredConversation found = threads.thread(caller.organization(), thread);
    Run waiting =
        threads
            .waiting(found)
            .orElseThrow(() ->
                new Refusal.Conflict("not_waiting", "no run of the thread waits for an answer"));
    Threads.Folded asks = threads.folded(waiting);
    List<Permissions.Answer> answers = Permissions.answers(asks.state().interrupts(), resume);
    for (Permissions.Answer answer : answers) {
      conversations.answer(waiting, answer.permission(), answer.option(), caller.keyName());
    }
    return new Asked(waiting, request, new Cursor(waiting.turn(), asks.seen(), 0), false);
  }

  private void create(Exchange exchange, Caller caller) {
    Asked asked = ask(exchange, caller);
    streams.announce(exchange, asked.run(), asked.stateless());
    exchange.json(200, Shapes.run(asked.run()));
  }

  private void createAndStream(Exchange exchange, Caller caller) throws InterruptedException {
    Asked asked = ask(exchange, caller);
    streams.announce(exchange, asked.run(), asked.stateless());
    streams.stream(
        exchange,
        asked.run(),
        new RunStreams.View(asked.request().modes(), asked.from()),
        asked.request().cancelOnDisconnect());
  }

  private void createAndWait(Exchange exchange, Caller caller) throws InterruptedException {
    Asked asked = ask(exchange, caller);
    streams.announce(exchange, asked.run(), asked.stateless());
    if (asked.request().resume() != null) {
      // Until the holder has the answer the run still waits, and that is not its result.
      conversations.awaitNotWaiting(asked.run(), CANCEL_WAIT);
    }
    streams.join(exchange, asked.run(), asked.request().cancelOnDisconnect());
  }

  private void list(Exchange exchange, Caller caller) {
    StoredConversation thread = threads.thread(caller.organization(), exchange.pathParam(THREAD));
    int limit = exchange.queryInt("limit", 10, 1, LIMIT_MAX);
    int offset = exchange.queryInt("offset", 0, 0, OFFSET_MAX);
    String status = exchange.query("status").orElse("");
    Set<RunStatus> statuses = Shapes.statuses(status);
    if (!status.isEmpty() && statuses.isEmpty()) {
      throw new Refusal.Invalid(
          "unknown_value",
          "status",
          "status must be one of pending, running, interrupted, success, error, timeout");
    }
    ArrayNode answer = Json.array();
    conversations.runs(thread, statuses, limit, offset).forEach(run -> answer.add(Shapes.run(run)));
    exchange.json(200, answer);
  }

  private void get(Exchange exchange, Caller caller) {
    exchange.json(200, Shapes.run(run(exchange, caller)));
  }

  private void delete(Exchange exchange, Caller caller) {
    conversations.deleteRun(run(exchange, caller));
    exchange.empty(204);
  }

  private void join(Exchange exchange, Caller caller) throws InterruptedException {
    streams.join(exchange, run(exchange, caller), cancelsOnDisconnect(exchange, caller));
  }

  private void stream(Exchange exchange, Caller caller) throws InterruptedException {
    Run run = run(exchange, caller);
    boolean cancels = cancelsOnDisconnect(exchange, caller);
    Set<StreamMode> asked = StreamMode.read(exchange.queryAll("stream_mode"));
    Set<StreamMode> modes = asked.isEmpty() ? RunStreams.modes(run) : asked;
    Cursor from = exchange.header("last-event-id").map(Cursor::parse).orElse(Cursor.START);
    streams.announce(exchange, run, stateless(exchange));
    streams.stream(exchange, run, new RunStreams.View(modes, from), cancels);
  }

  /** Who may not cancel a run may not have it cancelled either. */
  private static boolean cancelsOnDisconnect(Exchange exchange, Caller caller) {
    boolean cancels = exchange.queryBoolean("cancel_on_disconnect", false);
    if (cancels) {
      caller.require(Role.CLIENT);
    }
    return cancels;
  }

  private void cancel(Exchange exchange, Caller caller) throws InterruptedException {
    Run run = run(exchange, caller);
    boolean wait = exchange.queryBoolean("wait", false);
    refuseRollback(exchange);
    conversations.cancel(caller.organization(), run.id(), "cancelled by " + caller.keyName());
    if (wait) {
      conversations.awaitEnd(run, CANCEL_WAIT);
      exchange.empty(204);
    } else {
      exchange.empty(202);
    }
  }

  private void cancelMany(Exchange exchange, Caller caller) {
    refuseRollback(exchange);
    Body body = new Body(exchange.bodyObject());
    List<String> ids = body.strings("run_ids");
    String thread = body.string(THREAD).orElse("");
    String status =
        body.has("status") ? body.word("status", "all", "pending", "running", "all") : "all";
    if (thread.isEmpty() && ids == null) {
      throw new Refusal.Invalid("field_missing", "run_ids", "give thread_id, run_ids, or both");
    }
    List<Run> chosen =
        ids == null
            ? conversations.live(threads.thread(caller.organization(), thread))
            : ids.stream().map(id -> run(caller.organization(), thread, id)).toList();
    for (Run run : chosen) {
      boolean fits =
          status.equals("all") || (run.status() == RunStatus.PENDING) == status.equals("pending");
      if (fits && !run.status().terminal()) {
        conversations.cancel(caller.organization(), run.id(), "cancelled by " + caller.keyName());
      }
    }
    exchange.empty(204);
  }

  private void batch(Exchange exchange, Caller caller) {
    JsonNode bodies = exchange.bodyJson();
    if (!bodies.isArray() || bodies.isEmpty() || bodies.size() > BATCH_MAX) {
      throw new Refusal.Invalid(
          "wrong_type", null, "the body must be a list of 1 to " + BATCH_MAX + " runs");
    }
    List<RunRequest> requests =
        bodies.valueStream().map(body -> RunRequest.read(object(body))).toList();
    ArrayNode answer = Json.array();
    OrganizationId organization = caller.organization();
    for (RunRequest request : requests) {
      // All or, as far as can be known, none.
      agents.find(organization, request.assistant());
      conversations.check(request.options());
      refuseFork(caller, null, request);
      if (request.resume() != null) {
        throw new Refusal.Invalid(
            "nothing_to_resume", "command.resume", "a run without a thread waits for nobody");
      }
    }
    guard.mayQueue(caller, requests.size());
    int place = 0;
    for (RunRequest request : requests) {
      // One key for the batch is a key of its own for each of its runs.
      NewTurn turn = request.turn(organization, null, exchange, "\n" + place++);
      Accepted accepted = conversations.post(turn);
      conversations.run(organization, accepted.run()).ifPresent(run -> answer.add(Shapes.run(run)));
    }
    exchange.json(200, answer);
  }

  private Run run(OrganizationId organization, String thread, String id) {
    return thread.isEmpty() ? threads.run(organization, id) : threads.run(organization, thread, id);
  }

  private Run run(Exchange exchange, Caller caller) {
    return stateless(exchange)
        ? threads.run(caller.organization(), exchange.pathParam(RUN))
        : threads.run(caller.organization(), exchange.pathParam(THREAD), exchange.pathParam(RUN));
  }

  private static void refuseRollback(Exchange exchange) {
    String action = exchange.query("action").orElse("interrupt");
    switch (action) {
      case "interrupt" -> {}
      case "rollback" ->
          throw new Refusal.Unsupported(
              "rollback_not_supported", "action", "action rollback is not supported yet");
      default ->
          throw new Refusal.Invalid(
              "unknown_value", "action", "action must be interrupt or rollback");
    }
  }

  private static tools.jackson.databind.node.ObjectNode object(JsonNode node) {
    if (node instanceof tools.jackson.databind.node.ObjectNode object) {
      return object;
    }
    throw new Refusal.Invalid("wrong_type", null, "each run must be an object");
  }

  private static boolean stateless(Exchange exchange) {
    return exchange.route().path().startsWith("/runs");
  }
}
