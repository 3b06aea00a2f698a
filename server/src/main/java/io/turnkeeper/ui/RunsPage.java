package io.turnkeeper.ui;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunFilter;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Why;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The list of runs: by status, with errors grouped by cause. */
final class RunsPage {
  private static final int PAGE = 50;

  private final Console.Desk desk;

  RunsPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/console/runs", desk.signing().page(this::show)),
        Route.get("/console/runs/{run_id}", desk.signing().page(this::find)),
        Route.get("/console/live/runs", desk.signing().page(this::live)));
  }

  /** The statuses that a word of the address stands for. */
  static Set<RunStatus> statuses(String word) {
    return switch (word) {
      case "" -> Set.of();
      case "failing" -> EnumSet.of(RunStatus.FAILED, RunStatus.TIMEOUT);
      case "live" -> EnumSet.of(RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING);
      case "active" -> EnumSet.of(RunStatus.RUNNING, RunStatus.WAITING);
      default -> Set.of(Choices.of(RunStatus.class, word, "status").orElseThrow());
    };
  }

  static RunFilter filter(Console.Desk desk, View view, ListAsked asked, int limit) {
    AgentId agent =
        asked.agent().isEmpty()
            ? null
            : desk.parts().agents().find(view.organization(), asked.agent()).id();
    return new RunFilter(
        statuses(asked.status()),
        agent,
        asked.error().isEmpty() ? null : asked.error(),
        Choices.since(asked.since(), desk.parts().clock().now()),
        cursor(asked.cursor()),
        limit);
  }

  private static @Nullable RunId cursor(String cursor) {
    return cursor.isEmpty()
        ? null
        : RunId.parse(cursor)
            .orElseThrow(() ->
                new Refusal.Invalid(
                    "invalid_cursor", "cursor", "the cursor is none of an earlier page"));
  }

  private void show(Exchange exchange, View view) {
    Map<String, Object> model = model(view, ListAsked.of(exchange));
    desk.signing().html(exchange, 200, desk.templates().render("runs", model));
  }

  private void live(Exchange exchange, View view) throws InterruptedException {
    ListAsked asked = ListAsked.of(exchange);
    desk.live().stream(
        exchange,
        () -> Map.of("runs", desk.templates().render("parts/runs", model(view, asked))),
        null);
  }

  /** A run by its id alone: where it is, and why it is not further. */
  private void find(Exchange exchange, View view) {
    String id = exchange.pathParam("run_id");
    Run run =
        RunId.parse(id)
            .flatMap(known -> desk.parts().conversations().run(view.organization(), known))
            .orElseThrow(() -> new Refusal.NotFound("run", id));
    if (run.status() != RunStatus.PENDING) {
      exchange.seeOther(view.run(run.conversation().id(), run.id()));
      return;
    }
    Why why =
        desk.parts()
            .conversations()
            .why(view.organization(), run.id())
            .orElseThrow(() -> new Refusal.NotFound("run", id));
    desk.signing()
        .html(
            exchange,
            200,
            desk.templates()
                .render("why", Map.of("view", view, "run", run, "why", WhyText.of(why, view))));
  }

  private Map<String, Object> model(View view, ListAsked asked) {
    List<Agent> agents = desk.parts().agents().list(view.organization());
    Map<AgentId, String> names = new HashMap<>();
    agents.forEach(agent -> names.put(agent.id(), agent.name()));
    RunFilter filter = filter(desk, view, asked, PAGE);
    boolean failing =
        !filter.statuses().isEmpty()
            && Set.of(RunStatus.FAILED, RunStatus.TIMEOUT).containsAll(filter.statuses());
    Map<String, Object> model = new HashMap<>();
    model.put("view", view);
    model.put("asked", asked);
    model.put("agents", agents);
    model.put("names", names);
    model.put("page", desk.parts().reports().runs(view.organization(), filter));
    model.put(
        "errors",
        failing && filter.before() == null
            ? desk.parts().reports().errors(view.organization(), filter.agent(), filter.since())
            : List.of());
    return model;
  }
}
