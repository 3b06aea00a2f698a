package io.turnkeeper.ui;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.AgentVersion;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.queue.Activity;
import io.turnkeeper.tenancy.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Agents: what they are, how they do, and how they came to be what they are. */
final class AgentsPage {
  private static final Duration WINDOW = Duration.ofDays(1);
  private static final int VERSIONS_SHOWN = 20;

  private final Console.Desk desk;

  AgentsPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    Signing signing = desk.signing();
    return List.of(
        Route.get("/console/agents", signing.page(this::list)),
        Route.get("/console/live/agents", signing.page(this::live)),
        Route.get("/console/agents/{name}", signing.page(this::show)),
        Route.post(
            "/console/agents/{name}/pause", signing.action(Role.ADMIN, deed("pause"), this::pause)),
        Route.post(
            "/console/agents/{name}/resume",
            signing.action(Role.ADMIN, deed("resume"), this::resume)));
  }

  private static Guard.Deed deed(String verb) {
    return new Guard.Deed("agent." + verb, "agent", "name");
  }

  private void list(Exchange exchange, View view) {
    desk.signing().html(exchange, 200, desk.templates().render("agents", model(view)));
  }

  private void live(Exchange exchange, View view) throws InterruptedException {
    desk.live().stream(
        exchange,
        () -> Map.of("agents", desk.templates().render("parts/agents", model(view))),
        null);
  }

  private Map<String, Object> model(View view) {
    Map<AgentId, Activity.Record> records = new HashMap<>();
    desk.parts()
        .reports()
        .records(view.organization(), null, desk.parts().clock().now().minus(WINDOW))
        .forEach(record -> records.put(record.agent(), record));
    return Map.of(
        "view", view,
        "agents", desk.parts().agents().list(view.organization()),
        "records", records);
  }

  private void show(Exchange exchange, View view) {
    Agent agent = desk.parts().agents().find(view.organization(), exchange.pathParam("name"));
    List<AgentVersion> versions =
        desk.parts().agents().versions(view.organization(), agent.id().toString());
    List<VersionView> shown = new ArrayList<>();
    for (int i = 0; i < Math.min(versions.size(), VERSIONS_SHOWN); i++) {
      AgentVersion version = versions.get(i);
      String text = RunReader.pretty(version.definition().shown());
      String before =
          i + 1 < versions.size()
              ? RunReader.pretty(versions.get(i + 1).definition().shown())
              : null;
      shown.add(
          new VersionView(
              version.version(),
              version.createdAt(),
              before == null ? List.of() : LineDiff.of(before, text)));
    }
    Map<String, Object> model = new HashMap<>();
    model.put("view", view);
    model.put("agent", agent);
    model.put("definition", RunReader.pretty(agent.definition().shown()));
    model.put("versions", shown);
    model.put(
        "record",
        desk
            .parts()
            .reports()
            .records(view.organization(), agent.id(), desk.parts().clock().now().minus(WINDOW))
            .stream()
            .findFirst()
            .orElse(null));
    desk.signing().html(exchange, 200, desk.templates().render("agent", model));
  }

  private Signing.Done pause(Exchange exchange, View view, Form form) {
    String name = exchange.pathParam("name");
    desk.parts().agents().pause(view.organization(), name, view.caller().keyName());
    return new Signing.Done(view.agent(name), "Paused", false);
  }

  private Signing.Done resume(Exchange exchange, View view, Form form) {
    String name = exchange.pathParam("name");
    desk.parts().agents().resume(view.organization(), name);
    return new Signing.Done(view.agent(name), "Resumed", false);
  }
}
