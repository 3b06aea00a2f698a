package io.turnkeeper.gateway.admin;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.ApiKey;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.NewKey;
import io.turnkeeper.tenancy.Organization;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
import java.util.List;
import java.util.UUID;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

final class TenancyRoutes {
  private static final String NAME = "name";
  private static final String AGENT = "agent";
  private static final String MAX_RUNNING = "max_running";

  private final Guard guard;
  private final Tenancy tenancy;
  private final Agents agents;

  TenancyRoutes(Guard guard, Tenancy tenancy, Agents agents) {
    this.guard = guard;
    this.tenancy = tenancy;
    this.agents = agents;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/admin/whoami", guard.reader(this::whoami)),
        Route.post("/admin/keys", guard.admin(this::createKey)),
        Route.get("/admin/keys", guard.admin(this::listKeys)),
        Route.delete("/admin/keys/{id}", guard.admin(this::revokeKey)),
        Route.post("/admin/organizations", guard.operator(this::createOrganization)),
        Route.get("/admin/organizations", guard.operator(this::listOrganizations)),
        Route.post("/admin/organizations/{name}/pause", guard.operator(this::pause)),
        Route.post("/admin/organizations/{name}/resume", guard.operator(this::resume)));
  }

  private void whoami(Exchange exchange, Caller caller) {
    ObjectNode answer = Json.object();
    answer
        .putObject("organization")
        .put("id", caller.organization().toString())
        .put(NAME, caller.organizationName());
    answer.put("role", caller.role().wire());
    answer.put("operator", caller.operator());
    answer.putObject("key").put("id", caller.keyId().toString()).put(NAME, caller.keyName());
    exchange.json(200, answer);
  }

  private void createKey(Exchange exchange, Caller caller) {
    ObjectNode body = exchange.bodyObject();
    Fields.only(body, NAME, "role", AGENT);
    OrganizationId organization = guard.organization(exchange, caller);
    Role role = Role.parse(Fields.string(body, "role"), "role");
    String name = Fields.string(body, NAME);
    if (role != Role.WORKER && body.has(AGENT)) {
      throw new Refusal.Invalid("unknown_field", AGENT, "only a worker's key is for one agent");
    }
    NewKey made =
        role == Role.WORKER
            ? tenancy.createWorkerKey(
                organization, name, agents.find(organization, Fields.string(body, AGENT)).id())
            : tenancy.createKey(organization, name, role);
    exchange.responseHeader("Cache-Control", "no-store");
    exchange.json(201, json(made.key()).put("key", made.text()));
  }

  private void listKeys(Exchange exchange, Caller caller) {
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("keys");
    tenancy.keys(guard.organization(exchange, caller)).forEach(key -> list.add(json(key)));
    exchange.json(200, answer);
  }

  private void revokeKey(Exchange exchange, Caller caller) {
    String id = exchange.pathParam("id");
    OrganizationId organization = guard.organization(exchange, caller);
    UUID key = Uuid7.parse(id).orElseThrow(() -> new Refusal.NotFound("key", id));
    exchange.json(200, json(tenancy.revokeKey(organization, key)));
  }

  private void createOrganization(Exchange exchange, Caller caller) {
    ObjectNode body = exchange.bodyObject();
    Fields.only(body, NAME, MAX_RUNNING);
    Tenancy.Founded founded =
        tenancy.createOrganization(Fields.string(body, NAME), Fields.count(body, MAX_RUNNING));
    ObjectNode answer = Json.object();
    answer.set("organization", json(founded.organization()));
    answer.put("admin_key", founded.adminKey().text());
    exchange.responseHeader("Cache-Control", "no-store");
    exchange.json(201, answer);
  }

  private void listOrganizations(Exchange exchange, Caller caller) {
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("organizations");
    tenancy.organizations().forEach(organization -> list.add(json(organization)));
    exchange.json(200, answer);
  }

  private void pause(Exchange exchange, Caller caller) {
    exchange.json(200, json(tenancy.pause(exchange.pathParam(NAME), caller.keyName())));
  }

  private void resume(Exchange exchange, Caller caller) {
    exchange.json(200, json(tenancy.resume(exchange.pathParam(NAME))));
  }

  private static ObjectNode json(ApiKey key) {
    ObjectNode node = Json.object();
    node.put("id", key.id().toString());
    node.put(NAME, key.name());
    node.put("role", key.role().wire());
    AgentId agent = key.agent();
    if (agent != null) {
      node.put("agent_id", agent.toString());
    }
    Fields.put(node, "created_at", key.createdAt());
    Fields.put(node, "revoked_at", key.revokedAt());
    return node;
  }

  private static ObjectNode json(Organization organization) {
    ObjectNode node = Json.object();
    node.put("id", organization.id().toString());
    node.put(NAME, organization.name());
    node.put(MAX_RUNNING, organization.maxRunning());
    Fields.putPause(node, organization.pausedAt(), organization.pausedBy());
    Fields.put(node, "created_at", organization.createdAt());
    return node;
  }
}
