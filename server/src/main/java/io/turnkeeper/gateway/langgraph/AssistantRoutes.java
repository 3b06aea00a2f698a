package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.Caller;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Assistants: an organization's agents, under the names that clients use for them. */
final class AssistantRoutes {
  private static final int LIMIT_MAX = 1_000;
  private static final int OFFSET_MAX = 1_000_000;

  private final Guard guard;
  private final Agents agents;

  AssistantRoutes(Guard guard, Agents agents) {
    this.guard = guard;
    this.agents = agents;
  }

  List<Route> routes() {
    return List.of(
        Route.post("/assistants/search", guard.reader(this::search)),
        Route.post("/assistants/count", guard.reader(this::count)),
        Route.get("/assistants/{assistant_id}", guard.reader(this::get)),
        Route.get("/assistants/{assistant_id}/schemas", guard.reader(this::schemas)),
        Route.get("/assistants/{assistant_id}/graph", guard.reader(this::graph)),
        Route.get("/assistants/{assistant_id}/subgraphs", guard.reader(this::subgraphs)),
        Route.post("/assistants/{assistant_id}/versions", guard.reader(this::versions)),
        Route.post("/assistants", guard.admin(this::notHere)),
        Route.patch("/assistants/{assistant_id}", guard.admin(this::notHere)),
        Route.delete("/assistants/{assistant_id}", guard.admin(this::notHere)),
        Route.post("/agents/search", guard.reader(this::search)),
        Route.get("/agents/{assistant_id}", guard.reader(this::agent)),
        Route.get("/agents/{assistant_id}/schemas", guard.reader(this::schemas)));
  }

  private void search(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObjectOrEmpty());
    int limit = body.integer("limit", 10, 1, LIMIT_MAX);
    int offset = body.integer("offset", 0, 0, OFFSET_MAX);
    body.word(
        "sort_by", "created_at", "assistant_id", "created_at", "updated_at", "name", "graph_id");
    boolean ascending = body.word("sort_order", "desc", "asc", "desc").equals("asc");
    List<String> select = body.strings("select");
    List<Agent> found = matching(caller, body);
    List<Agent> ordered =
        ascending
            ? found
            : found.stream().sorted((a, b) -> b.createdAt().compareTo(a.createdAt())).toList();
    exchange.responseHeader("X-Pagination-Total", Integer.toString(found.size()));
    if (offset + limit < found.size()) {
      exchange.responseHeader("X-Pagination-Next", Integer.toString(offset + limit));
    }
    ArrayNode answer = Json.array();
    ordered.stream()
        .skip(offset)
        .limit(limit)
        .forEach(agent -> answer.add(ThreadRoutes.selected(Shapes.assistant(agent), select)));
    exchange.json(200, answer);
  }

  private void count(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObjectOrEmpty());
    exchange.json(200, JsonNodeFactory.instance.numberNode(matching(caller, body).size()));
  }

  private List<Agent> matching(Caller caller, Body body) {
    String graph = body.string("graph_id").orElse("");
    String name = body.string("name").orElse("");
    // Our assistants carry no metadata but who made them: a filter on other keys finds none.
    ObjectNode metadata = body.object("metadata").deepCopy();
    metadata.remove("created_by");
    return metadata.isEmpty()
        ? agents.list(caller.organization()).stream()
            .filter(agent -> graph.isEmpty() || agent.name().equals(graph))
            .filter(agent -> agent.name().contains(name))
            .toList()
        : List.of();
  }

  private void get(Exchange exchange, Caller caller) {
    exchange.json(200, Shapes.assistant(find(exchange, caller)));
  }

  private void agent(Exchange exchange, Caller caller) {
    Agent agent = find(exchange, caller);
    ObjectNode answer =
        Json.object().put("agent_id", agent.id().toString()).put("name", agent.name());
    answer.putObject("capabilities").put("ap.io.messages", true).put("ap.io.streaming", true);
    exchange.json(200, answer);
  }

  private void schemas(Exchange exchange, Caller caller) {
    Agent agent = find(exchange, caller);
    ObjectNode answer = Json.object().put("graph_id", agent.name());
    for (String part : List.of("input_schema", "output_schema", "state_schema")) {
      ObjectNode schema = answer.putObject(part).put("type", "object");
      schema
          .putObject("properties")
          .putObject("messages")
          .put("type", "array")
          .putObject("items")
          .put("type", "object");
    }
    answer.putObject("config_schema").put("type", "object");
    answer.putObject("context_schema").put("type", "object");
    exchange.json(200, answer);
  }

  private void graph(Exchange exchange, Caller caller) {
    find(exchange, caller);
    ObjectNode answer = Json.object();
    ArrayNode nodes = answer.putArray("nodes");
    for (String name : List.of("__start__", "agent", "__end__")) {
      nodes.addObject().put("id", name).put("type", "runnable");
    }
    ArrayNode edges = answer.putArray("edges");
    edges.addObject().put("source", "__start__").put("target", "agent");
    edges.addObject().put("source", "agent").put("target", "__end__");
    exchange.json(200, answer);
  }

  private void subgraphs(Exchange exchange, Caller caller) {
    find(exchange, caller);
    exchange.json(200, Json.object());
  }

  private void versions(Exchange exchange, Caller caller) {
    Agent agent = find(exchange, caller);
    ArrayNode answer = Json.array();
    agents
        .versions(caller.organization(), agent.name())
        .forEach(version ->
            answer.add(
                Shapes.assistant(agent)
                    .put("version", version.version())
                    .put("created_at", version.createdAt().toString())));
    exchange.json(200, answer);
  }

  private void notHere(Exchange exchange, Caller caller) {
    throw new Refusal.Unsupported(
        "assistants_are_agents",
        null,
        "assistants are agents here: add, change and remove them at /admin/agents, or with turnkeeper agent");
  }

  private Agent find(Exchange exchange, Caller caller) {
    return agents.find(caller.organization(), exchange.pathParam("assistant_id"));
  }
}
