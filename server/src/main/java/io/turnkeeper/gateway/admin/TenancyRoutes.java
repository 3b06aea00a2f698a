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
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.tenancy.ApiKey;
import io.turnkeeper.tenancy.Audit;
import io.turnkeeper.tenancy.AuditEntry;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Limits;
import io.turnkeeper.tenancy.NewKey;
import io.turnkeeper.tenancy.Organization;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

final class TenancyRoutes {
  private static final String NAME = "name";
  private static final String AGENT = "agent";
  private static final String ID = "id";
  private static final String MAX_RUNNING = "max_running";
  private static final String REQUESTS = "requests_per_second";
  private static final String STREAMS = "streams";
  private static final String QUEUED = "queued";
  private static final String STORED = "stored_bytes";
  private static final int AUDIT_DEFAULT = 100;
  private static final int AUDIT_MAX = 1000;

  private final Guard guard;
  private final Tenancy tenancy;
  private final Agents agents;
  private final Conversations conversations;

  TenancyRoutes(Guard guard, Tenancy tenancy, Agents agents, Conversations conversations) {
    this.guard = guard;
    this.conversations = conversations;
    this.tenancy = tenancy;
    this.agents = agents;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/admin/whoami", guard.reader(this::whoami)),
        Route.post("/admin/keys", guard.admin(key("create", NAME), this::createKey)),
        Route.get("/admin/keys", guard.admin(this::listKeys)),
        Route.delete("/admin/keys/{id}", guard.admin(key("revoke", ID), this::revokeKey)),
        Route.post("/admin/keys/{id}/limits", guard.admin(key("limit", ID), this::limitKey)),
        Route.get("/admin/webhooks/secret", guard.admin(webhooks("show"), this::showWebhookSecret)),
        Route.post(
            "/admin/webhooks/secret", guard.admin(webhooks("replace"), this::replaceWebhookSecret)),
        Route.get("/admin/audit", guard.admin(this::audit)),
        Route.post(
            "/admin/organizations",
            guard.operator(organization("create"), this::createOrganization)),
        Route.get("/admin/organizations", guard.operator(this::listOrganizations)),
        Route.delete(
            "/admin/organizations/{name}",
            guard.operator(organization("delete"), this::deleteOrganization)),
        Route.post(
            "/admin/organizations/{name}/limits",
            guard.operator(organization("limit"), this::limit)),
        Route.post(
            "/admin/organizations/{name}/pause",
            guard.operator(organization("pause"), this::pause)),
        Route.post(
            "/admin/organizations/{name}/resume",
            guard.operator(organization("resume"), this::resume)));
  }

  private static Guard.Deed key(String verb, String names) {
    return new Guard.Deed("key." + verb, "key", names);
  }

  private static Guard.Deed webhooks(String verb) {
    return new Guard.Deed("webhook.secret." + verb, "webhook", NAME);
  }

  private void showWebhookSecret(Exchange exchange, Caller caller) {
    webhookSecret(exchange, caller, false);
  }

  private void replaceWebhookSecret(Exchange exchange, Caller caller) {
    webhookSecret(exchange, caller, true);
  }

  /** As standardwebhooks.com spells it. */
  private void webhookSecret(Exchange exchange, Caller caller, boolean anew) {
    byte[] secret = conversations.webhookSecret(guard.organization(exchange, caller), anew);
    exchange.responseHeader("Cache-Control", "no-store");
    exchange.json(
        200, Json.object().put("secret", "whsec_" + Base64.getEncoder().encodeToString(secret)));
  }

  private static Guard.Deed organization(String verb) {
    return new Guard.Deed("organization." + verb, "organization", NAME);
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
    String id = exchange.pathParam(ID);
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

  /** Accepted, not done: what it has may be much. */
  private void deleteOrganization(Exchange exchange, Caller caller) {
    Organization organization = tenancy.organization(exchange.pathParam(NAME));
    if (organization.name().equals(Tenancy.FIRST_ORGANIZATION)) {
      throw new Refusal.Conflict(
          "first_organization", "the first organization is its operators': it cannot be deleted");
    }
    conversations.deleteOrganization(organization.id());
    tenancy.forgetKeys();
    exchange.json(202, json(organization).put("deleting", true));
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

  private void limit(Exchange exchange, Caller caller) {
    ObjectNode body = exchange.bodyObject();
    Fields.only(body, MAX_RUNNING, REQUESTS, STREAMS, QUEUED, STORED);
    exchange.json(200, json(tenancy.limit(exchange.pathParam(NAME), limits(body))));
  }

  private void limitKey(Exchange exchange, Caller caller) {
    String id = exchange.pathParam(ID);
    OrganizationId organization = guard.organization(exchange, caller);
    UUID key = Uuid7.parse(id).orElseThrow(() -> new Refusal.NotFound("key", id));
    ObjectNode body = exchange.bodyObjectOrEmpty();
    Fields.only(body, REQUESTS, STREAMS);
    exchange.json(200, json(tenancy.limitKey(organization, key, limits(body))));
  }

  private static Tenancy.NewLimits limits(ObjectNode body) {
    return new Tenancy.NewLimits(
        limit(body, MAX_RUNNING, 0),
        limit(body, REQUESTS, 1),
        limit(body, STREAMS, 0),
        limit(body, QUEUED, 0),
        limit(body, STORED, 0));
  }

  private static Optional<Tenancy.Limit> limit(ObjectNode body, String field, long min) {
    JsonNode node = body.path(field);
    if (node.isMissingNode()) {
      return Optional.empty();
    }
    if (node.isNull()) {
      return Optional.of(new Tenancy.Limit(null));
    }
    long max = field.equals(STORED) ? Long.MAX_VALUE : Integer.MAX_VALUE;
    if (!node.isIntegralNumber()
        || !node.canConvertToLong()
        || node.longValue() < min
        || node.longValue() > max) {
      throw new Refusal.Invalid(
          "out_of_range", field, field + " must be a whole number from " + min + ", or null");
    }
    return Optional.of(new Tenancy.Limit(node.longValue()));
  }

  private void audit(Exchange exchange, Caller caller) {
    int limit = exchange.queryInt("limit", AUDIT_DEFAULT, 1, AUDIT_MAX);
    Long before =
        exchange.query("cursor").isPresent()
            ? exchange.queryLong("cursor", 0, 1, Long.MAX_VALUE)
            : null;
    String subject =
        exchange
            .query("thread")
            .map(Audit::thread)
            .or(() -> exchange.query("subject"))
            .orElse(null);
    List<AuditEntry> found =
        tenancy.audit().entries(guard.organization(exchange, caller), before, subject, limit);
    ObjectNode answer = Json.object();
    ArrayNode list = answer.putArray("entries");
    for (AuditEntry entry : found) {
      ObjectNode node = list.addObject();
      node.put(ID, entry.id());
      Fields.put(node, "at", entry.at());
      node.put("key_id", entry.keyId());
      node.put("key_name", entry.keyName());
      node.put("action", entry.action());
      node.put("subject", entry.subject());
      node.put("outcome", entry.outcome());
      node.put("request_id", entry.requestId());
    }
    answer.put("next_cursor", found.size() < limit ? null : Long.toString(found.getLast().id()));
    exchange.json(200, answer);
  }

  private static ObjectNode json(Limits limits) {
    ObjectNode node = Json.object();
    node.put(REQUESTS, limits.requestsPerSecond());
    node.put(STREAMS, limits.streams());
    node.put(QUEUED, limits.queued());
    node.put(STORED, limits.storedBytes());
    return node;
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
    node.set("limits", json(key.limits()).remove(List.of(QUEUED, STORED)));
    return node;
  }

  private static ObjectNode json(Organization organization) {
    ObjectNode node = Json.object();
    node.put("id", organization.id().toString());
    node.put(NAME, organization.name());
    node.put(MAX_RUNNING, organization.maxRunning());
    Fields.putPause(node, organization.pausedAt(), organization.pausedBy());
    Fields.put(node, "created_at", organization.createdAt());
    node.set("limits", json(organization.limits()));
    return node;
  }
}
