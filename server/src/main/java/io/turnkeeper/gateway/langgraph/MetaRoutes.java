package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Handler;
import io.turnkeeper.http.Route;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.node.ObjectNode;

/** What a client asks of the server itself, and what the protocol names that is not served yet. */
final class MetaRoutes {
  private final Guard guard;
  private final String version;

  MetaRoutes(Guard guard, String version) {
    this.guard = guard;
    this.version = version;
  }

  List<Route> routes() {
    List<Route> routes = new ArrayList<>();
    routes.add(Route.get("/ok", exchange -> exchange.json(200, Json.object().put("ok", true))));
    routes.add(Route.get("/info", exchange -> exchange.json(200, info())));
    Handler crons = notYet("crons_not_supported", "crons are not supported yet");
    for (String path :
        List.of(
            "/runs/crons",
            "/runs/crons/search",
            "/runs/crons/count",
            "/threads/{thread_id}/runs/crons")) {
      routes.add(Route.post(path, crons));
    }
    routes.add(Route.patch("/runs/crons/{cron_id}", crons));
    routes.add(Route.delete("/runs/crons/{cron_id}", crons));
    Handler store = notYet("store_not_supported", "the store is not supported yet");
    routes.add(Route.put("/store/items", store));
    routes.add(Route.get("/store/items", store));
    routes.add(Route.delete("/store/items", store));
    routes.add(Route.post("/store/items/search", store));
    routes.add(Route.post("/store/namespaces", store));
    return routes;
  }

  private ObjectNode info() {
    ObjectNode info = Json.object().put("version", version).put("product", "turnkeeper");
    info.putObject("flags").put("assistants", true).put("crons", false).put("langsmith", false);
    return info;
  }

  private Handler notYet(String code, String message) {
    return guard.reader((exchange, caller) -> {
      throw new Refusal.Unsupported(code, null, message);
    });
  }
}
