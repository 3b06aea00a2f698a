package io.turnkeeper.gateway.admin;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.AgentDefinition;
import io.turnkeeper.agents.AgentVersion;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.tenancy.Caller;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

final class AgentRoutes {
  private static final String NAME = "name";

  private final Guard guard;
  private final Agents agents;
  private final ClusterView cluster;

  AgentRoutes(Guard guard, Agents agents, ClusterView cluster) {
    this.guard = guard;
    this.agents = agents;
    this.cluster = cluster;
  }

  List<Route> routes() {
    return List.of(
        Route.post("/admin/agents", guard.admin(agent("add"), this::add)),
        Route.get("/admin/agents", guard.reader(this::list)),
        Route.get("/admin/agents/{name}", guard.reader(this::show)),
        Route.delete("/admin/agents/{name}", guard.admin(agent("remove"), this::remove)),
        Route.get("/admin/agents/{name}/versions", guard.reader(this::versions)),
        Route.post("/admin/agents/{name}/pause", guard.admin(agent("pause"), this::pause)),
        Route.post("/admin/agents/{name}/resume", guard.admin(agent("resume"), this::resume)),
        Route.post(
            "/admin/secrets/rotate",
            guard.operator(new Guard.Deed("secrets.rotate", "secrets", NAME), this::rotate)));
  }

  private static Guard.Deed agent(String verb) {
    return new Guard.Deed("agent." + verb, "agent", NAME);
  }

  private void rotate(Exchange exchange, Caller caller) {
    Agents.Rotated rotated = agents.rotate();
    exchange.json(
        200, Json.object().put("sealed", rotated.sealed()).put("unreadable", rotated.unreadable()));
  }

  private void add(Exchange exchange, Caller caller) {
    Agents.Added added = agents.add(guard.organization(exchange, caller), exchange.bodyObject());
    exchange.json(added.created() ? 201 : 200, json(added.agent()));
  }

  private void list(Exchange exchange, Caller caller) {
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("agents");
    OrganizationId organization = guard.organization(exchange, caller);
    Map<AgentId, RemoteWork.Crew> crews = cluster.crews().apply(organization);
    agents.list(organization).forEach(agent -> list.add(crewed(agent, crews)));
    exchange.json(200, answer);
  }

  private void show(Exchange exchange, Caller caller) {
    OrganizationId organization = guard.organization(exchange, caller);
    Agent agent = agents.find(organization, exchange.pathParam(NAME));
    exchange.json(200, crewed(agent, cluster.crews().apply(organization)));
  }

  /** One whose workers connect from elsewhere, with those that are there. */
  private static ObjectNode crewed(Agent agent, Map<AgentId, RemoteWork.Crew> crews) {
    ObjectNode node = json(agent);
    if (agent.definition().kind() == AgentDefinition.Kind.REMOTE) {
      RemoteWork.Crew crew = crews.getOrDefault(agent.id(), RemoteWork.Crew.NONE);
      node.put("workers_connected", crew.workers()).put("workers_capacity", crew.capacity());
    }
    return node;
  }

  private void remove(Exchange exchange, Caller caller) {
    agents.remove(guard.organization(exchange, caller), exchange.pathParam(NAME));
    exchange.empty(204);
  }

  private void versions(Exchange exchange, Caller caller) {
    OrganizationId organization = guard.organization(exchange, caller);
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("versions");
    for (AgentVersion version : agents.versions(organization, exchange.pathParam(NAME))) {
      ObjectNode node = list.addObject();
      node.put("version", version.version());
      node.setAll(version.definition().shown());
      Fields.put(node, "created_at", version.createdAt());
    }
    exchange.json(200, answer);
  }

  private void pause(Exchange exchange, Caller caller) {
    OrganizationId organization = guard.organization(exchange, caller);
    Agent agent = agents.pause(organization, exchange.pathParam(NAME), caller.keyName());
    exchange.json(200, json(agent));
  }

  private void resume(Exchange exchange, Caller caller) {
    OrganizationId organization = guard.organization(exchange, caller);
    exchange.json(200, json(agents.resume(organization, exchange.pathParam(NAME))));
  }

  private static ObjectNode json(Agent agent) {
    ObjectNode node = Json.object();
    node.put("id", agent.id().toString());
    node.put(NAME, agent.name());
    node.put("version", agent.version());
    node.setAll(agent.definition().shown());
    node.put("max_running", agent.maxRunning());
    Fields.putPause(node, agent.pausedAt(), agent.pausedBy());
    Fields.put(node, "created_at", agent.createdAt());
    Fields.put(node, "updated_at", agent.updatedAt());
    return node;
  }
}
