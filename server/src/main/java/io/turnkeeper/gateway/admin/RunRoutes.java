package io.turnkeeper.gateway.admin;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQuery;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Why;
import io.turnkeeper.tenancy.Caller;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Runs as an administrator sees them, and conversations as far as they are paused. */
final class RunRoutes {
  private static final int PAGE_DEFAULT = 20;
  private static final int PAGE_MAX = 1000;
  private static final int EVENTS_DEFAULT = 100;

  private final Guard guard;
  private final Agents agents;
  private final Conversations conversations;

  RunRoutes(Guard guard, Agents agents, Conversations conversations) {
    this.guard = guard;
    this.agents = agents;
    this.conversations = conversations;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/admin/runs", guard.reader(this::list)),
        Route.get("/admin/runs/{run_id}", guard.reader(this::show)),
        Route.get("/admin/runs/{run_id}/why", guard.reader(this::why)),
        Route.get("/admin/runs/{run_id}/events", guard.reader(this::events)),
        Route.post("/admin/runs/{run_id}/cancel", guard.client(this::cancel)),
        Route.post("/admin/threads/{thread_id}/pause", guard.admin(thread("pause"), this::pause)),
        Route.post(
            "/admin/threads/{thread_id}/resume", guard.admin(thread("resume"), this::resume)),
        Route.post(
            "/threads/{thread_id}/runs/{run_id}/permissions/{permission_id}",
            guard.client(this::answer)));
  }

  private static Guard.Deed thread(String verb) {
    return new Guard.Deed("thread." + verb, "thread", "thread_id");
  }

  private void list(Exchange exchange, Caller caller) {
    int limit = exchange.queryInt("limit", PAGE_DEFAULT, 1, PAGE_MAX);
    Optional<String> cursor = exchange.query("cursor");
    RunId before = cursor.map(RunRoutes::cursor).orElse(null);
    AgentId agent =
        exchange
            .query("agent")
            .map(name -> agents.find(caller.organization(), name).id())
            .orElse(null);
    RunQuery query =
        new RunQuery(
            exchange.queryEnum("status", RunStatus.class).orElse(null),
            agent,
            exchange.query("thread").orElse(null),
            before,
            limit);
    List<Run> runs = conversations.search(caller.organization(), query);
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("runs");
    Map<AgentId, String> names = new HashMap<>();
    for (Run run : runs) {
      list.add(
          json(run, names.computeIfAbsent(run.agent(), id -> name(caller.organization(), id))));
    }
    answer.put("next_cursor", runs.size() < limit ? null : runs.getLast().id().toString());
    exchange.json(200, answer);
  }

  private void show(Exchange exchange, Caller caller) {
    Run run = run(exchange, caller);
    ObjectNode answer = json(run, name(caller.organization(), run.agent()));
    conversations
        .told(run)
        .ifPresent(told ->
            answer
                .putObject("webhook")
                .put("state", told.state())
                .put("attempts", told.attempts())
                .put("answer", told.answer()));
    exchange.json(200, answer);
  }

  private void why(Exchange exchange, Caller caller) {
    Run run = run(exchange, caller);
    Why why =
        conversations
            .why(caller.organization(), run.id())
            .orElseThrow(() -> new Refusal.NotFound("run", run.id().toString()));
    exchange.json(200, WhyJson.of(run.id(), why));
  }

  private void events(Exchange exchange, Caller caller) {
    Run run = run(exchange, caller);
    int after = exchange.queryInt("after", 0, 0, Integer.MAX_VALUE);
    int limit = exchange.queryInt("limit", EVENTS_DEFAULT, 1, PAGE_MAX);
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("events");
    for (Event event : conversations.events(caller.organization(), run.id(), after, limit)) {
      ObjectNode node = list.addObject();
      node.put("seq", event.seq());
      node.put("kind", event.kind());
      Fields.put(node, "at", event.at());
      node.set("data", event.data());
    }
    exchange.json(200, answer);
  }

  private void cancel(Exchange exchange, Caller caller) {
    Run run = run(exchange, caller);
    String reason = "cancelled by " + caller.keyName();
    Conversations.Cancelled met = conversations.cancel(caller.organization(), run.id(), reason);
    Run now = conversations.run(caller.organization(), run.id()).orElse(run);
    ObjectNode answer = json(now, name(caller.organization(), now.agent()));
    answer.put("cancel_requested", met == Conversations.Cancelled.ASKED);
    exchange.json(met == Conversations.Cancelled.ASKED ? 202 : 200, answer);
  }

  private void pause(Exchange exchange, Caller caller) {
    StoredConversation conversation = conversation(exchange, caller);
    if (!conversations.pause(conversation, caller.keyName())) {
      throw new Refusal.Conflict(
          "thread_without_runs", "the thread has had no run yet, so there is nothing to pause");
    }
    exchange.json(200, paused(conversation, true));
  }

  private void resume(Exchange exchange, Caller caller) {
    StoredConversation conversation = conversation(exchange, caller);
    conversations.resume(conversation);
    exchange.json(200, paused(conversation, false));
  }

  private void answer(Exchange exchange, Caller caller) {
    ObjectNode body = exchange.bodyObject();
    Fields.only(body, "option_id", "outcome");
    Run run = run(exchange, caller);
    if (!run.conversation().id().equals(exchange.pathParam("thread_id"))) {
      throw new Refusal.NotFound("run", exchange.pathParam("run_id"));
    }
    String option = null;
    if (body.has("option_id")) {
      option = Fields.string(body, "option_id");
    } else if (!Fields.string(body, "outcome").equals("cancelled")) {
      throw new Refusal.Invalid(
          "unknown_value", "outcome", "send an option_id, or the outcome cancelled");
    }
    conversations.answer(run, exchange.pathParam("permission_id"), option, caller.keyName());
    exchange.empty(204);
  }

  /** The run that the path names, if it is the caller's organization's. */
  private Run run(Exchange exchange, Caller caller) {
    String id = exchange.pathParam("run_id");
    return RunId.parse(id)
        .flatMap(run -> conversations.run(caller.organization(), run))
        .orElseThrow(() -> new Refusal.NotFound("run", id));
  }

  private StoredConversation conversation(Exchange exchange, Caller caller) {
    String id = exchange.pathParam("thread_id");
    return conversations
        .find(caller.organization(), id)
        .orElseThrow(() -> new Refusal.NotFound("thread", id));
  }

  private String name(OrganizationId organization, AgentId agent) {
    return agents.current(organization, agent).map(Agent::name).orElse(agent.toString());
  }

  private static RunId cursor(String text) {
    return RunId.parse(text)
        .orElseThrow(() ->
            new Refusal.Invalid(
                "invalid_cursor", "cursor", "cursor must be a next_cursor of an earlier page"));
  }

  private static ObjectNode paused(StoredConversation conversation, boolean paused) {
    return Json.object().put("thread_id", conversation.id()).put("paused", paused);
  }

  private static ObjectNode json(Run run, String agent) {
    ObjectNode node = Json.object();
    node.put("run_id", run.id().toString());
    node.put("thread_id", run.conversation().id());
    node.put("agent", agent);
    node.put("agent_version", run.agentVersion());
    node.put("status", run.status().word());
    node.put("turn", run.turn());
    node.put("attempt", run.attempt());
    node.put("max_attempts", run.maxAttempts());
    node.put("priority", run.priority());
    Fields.put(node, "created_at", run.times().created());
    Fields.put(node, "run_at", run.times().runAt());
    Fields.put(node, "expires_at", run.times().expiresAt());
    Fields.put(node, "started_at", run.times().started());
    Fields.put(node, "finished_at", run.times().finished());
    node.set("error", run.error());
    node.put("restore_mode", run.restoreMode());
    return node;
  }
}
