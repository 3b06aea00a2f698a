package io.turnkeeper.gateway.admin;

import io.turnkeeper.base.Json;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.telemetry.Metrics;
import java.util.List;
import java.util.function.Supplier;
import tools.jackson.databind.node.ObjectNode;

/** What load balancers, probes and scrapers ask, without a key. */
public final class HealthRoutes {
  private final Supplier<List<String>> notReady;
  private final Supplier<Slots> slots;
  private final Metrics metrics;

  /**
   * @param held conversations that this replica holds
   * @param cap the most that it may hold
   * @param near whether that is nearly so many that new work will wait
   * @param running runs under way
   */
  public record Slots(int held, int cap, boolean near, long running) {}

  private HealthRoutes(Supplier<List<String>> notReady, Supplier<Slots> slots, Metrics metrics) {
    this.notReady = notReady;
    this.slots = slots;
    this.metrics = metrics;
  }

  /**
   * @param notReady why this replica must get no new requests, in words; empty when it may
   */
  public static List<Route> of(
      Supplier<List<String>> notReady, Supplier<Slots> slots, Metrics metrics) {
    HealthRoutes health = new HealthRoutes(notReady, slots, metrics);
    return List.of(
        Route.get("/health/live", health::live),
        Route.get("/health/ready", health::ready),
        Route.get("/health/orchestrator", health::orchestrator),
        Route.get("/metrics", health::metrics));
  }

  private void live(Exchange exchange) {
    exchange.json(200, Json.object().put("status", "ok"));
  }

  private void ready(Exchange exchange) {
    List<String> reasons = notReady.get();
    ObjectNode answer = Json.object();
    answer.put("status", reasons.isEmpty() ? "ready" : "not_ready");
    reasons.forEach(answer.putArray("reasons")::add);
    exchange.responseHeader("Cache-Control", "no-store");
    exchange.json(reasons.isEmpty() ? 200 : 503, answer);
  }

  private void orchestrator(Exchange exchange) {
    Slots now = slots.get();
    ObjectNode answer = Json.object();
    answer.put("reserved_conversation_locks", now.held());
    answer.put("cap", now.cap());
    answer.put("near_cap", now.near());
    answer.put("running", now.running());
    exchange.responseHeader("Cache-Control", "no-store");
    exchange.json(200, answer);
  }

  private void metrics(Exchange exchange) {
    Metrics.Exposition exposition = metrics.scrape(exchange.header("accept").orElse(null));
    exchange.text(200, exposition.contentType(), exposition.text());
  }
}
