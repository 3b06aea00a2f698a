package io.turnkeeper.gateway.admin;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.cluster.ReplicaInfo;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Limits;
import io.turnkeeper.tenancy.Usage;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** How the installation is. What spans organizations is for the operator only. */
final class StatusRoutes {
  private static final String MAX_LEASES = "max_leases";

  private final Guard guard;
  private final ClusterView cluster;

  StatusRoutes(Guard guard, ClusterView cluster) {
    this.guard = guard;
    this.cluster = cluster;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/admin/status", guard.reader(this::status)),
        Route.get("/admin/replicas", guard.operator(this::replicas)),
        Route.post("/admin/replicas/{id}/drain", guard.operator(replica("drain"), this::drain)),
        Route.post("/admin/replicas/{id}/cap", guard.operator(replica("cap"), this::cap)));
  }

  private static Guard.Deed replica(String verb) {
    return new Guard.Deed("replica." + verb, "replica", "id");
  }

  private void status(Exchange exchange, Caller caller) {
    ObjectNode answer = Json.object();
    answer.put("version", cluster.version());
    answer.put("organization", caller.organizationName());
    answer.put("role", caller.role().wire());
    answer.set("limits", limits(guard.usage(caller)));
    answer.put(
        "workers_connected",
        cluster.crews().apply(caller.organization()).values().stream()
            .mapToInt(RemoteWork.Crew::workers)
            .sum());
    if (caller.operator()) {
      HealthRoutes.Slots slots = cluster.slots().get();
      answer.put("reserved_conversation_locks", slots.held());
      answer.put("cap", slots.cap());
      answer.put("near_cap", slots.near());
      answer.put("running_here", slots.running());
      answer.set("queue", queue(cluster.depth().get()));
      answer.set("replicas", list());
    }
    exchange.json(200, answer);
  }

  private void replicas(Exchange exchange, Caller caller) {
    ObjectNode answer = Json.object();
    answer.set("replicas", list());
    exchange.json(200, answer);
  }

  private void drain(Exchange exchange, Caller caller) {
    want(exchange, 0);
  }

  private void cap(Exchange exchange, Caller caller) {
    ObjectNode body = exchange.bodyObject();
    Fields.only(body, MAX_LEASES);
    if (!body.has(MAX_LEASES)) {
      throw new Refusal.Invalid(
          "field_missing",
          MAX_LEASES,
          "max_leases must be a whole number from 0, or null for the replica's own cap");
    }
    want(exchange, Fields.count(body, MAX_LEASES));
  }

  private void want(Exchange exchange, @Nullable Integer leases) {
    String given = exchange.pathParam("id");
    int id = given.matches("[1-9][0-9]{0,8}") ? Integer.parseInt(given) : 0;
    if (id == 0 || !cluster.want().leases(id, leases)) {
      throw new Refusal.NotFound("replica", given);
    }
    for (JsonNode replica : list()) {
      if (replica.path("id").asInt() == id) {
        exchange.json(200, replica);
        return;
      }
    }
    throw new Refusal.NotFound("replica", given);
  }

  private ArrayNode list() {
    ArrayNode list = Json.array();
    OptionalInt self = cluster.self().get();
    for (ReplicaInfo replica : cluster.replicas().get()) {
      ObjectNode node = list.addObject();
      node.put("id", replica.id());
      node.put("state", replica.state());
      node.put("self", self.isPresent() && self.getAsInt() == replica.id());
      node.put("host", replica.host());
      node.put("pid", replica.pid());
      node.put("address", replica.address());
      node.put("version", replica.version());
      node.put("leases", replica.leases());
      node.put(MAX_LEASES, replica.maxLeases());
      node.put("wanted_leases", replica.wantedLeases());
      node.put("heartbeat_age_ms", replica.heartbeatAgeMillis());
      Fields.put(node, "started_at", replica.startedAt());
    }
    return list;
  }

  /** Each limit that there is, with what is used of it. */
  private static ObjectNode limits(Usage usage) {
    Limits limits = usage.limits();
    ObjectNode node = Json.object();
    node.put("requests_per_second", limits.requestsPerSecond());
    node.putObject("streams").put("used_here", usage.streams()).put("max", limits.streams());
    node.putObject("queued").put("used", usage.queued()).put("max", limits.queued());
    node.putObject("stored_bytes")
        .put("used", usage.storedBytes())
        .put("max", limits.storedBytes());
    return node;
  }

  private static ObjectNode queue(QueueDepth depth) {
    ObjectNode node = Json.object();
    node.put("runs_pending", depth.pendingRuns());
    node.put("runs_running", depth.running());
    node.put("threads_ready", depth.ready());
    node.put("threads_delayed", depth.delayed());
    node.put("threads_capped", depth.capped());
    node.put("threads_paused", depth.paused());
    node.put("threads_leased", depth.leased());
    node.put("oldest_ready_seconds", depth.oldestReadySeconds());
    return node;
  }
}
