package io.turnkeeper.ui;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.conversation.ConversationFilter;
import io.turnkeeper.conversation.StoredConversation.Activity;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The list of conversations: filters, keyset pages, live. */
final class ConversationsPage {
  private static final int PAGE = 50;

  private final Console.Desk desk;

  ConversationsPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/console/conversations", desk.signing().page(this::show)),
        Route.get("/console/live/conversations", desk.signing().page(this::live)),
        Route.post(
            "/console/conversations",
            desk.signing().action(io.turnkeeper.tenancy.Role.CLIENT, this::start)));
  }

  private void show(Exchange exchange, View view) {
    ListAsked asked = ListAsked.of(exchange);
    Map<String, Object> model = model(view, asked);
    desk.signing().html(exchange, 200, desk.templates().render("conversations", model));
  }

  private void live(Exchange exchange, View view) throws InterruptedException {
    ListAsked asked = ListAsked.of(exchange);
    desk.live().stream(
        exchange,
        () ->
            Map.of(
                "conversations",
                desk.templates().render("parts/conversations", model(view, asked))),
        null);
  }

  /** A new conversation with its first message, from the form of the empty list and of agents. */
  private Signing.Done start(Exchange exchange, View view, Form form) {
    String agent = form.required("agent", "an agent");
    String message = form.required("message", "a message");
    String id = form.field("id").orElseGet(() -> java.util.UUID.randomUUID().toString());
    desk.mayQueue(view, 1);
    desk.parts().conversations().post(Posting.turn(view, agent, id, message, true));
    return new Signing.Done(view.conversation(id), "Sent", false);
  }

  private Map<String, Object> model(View view, ListAsked asked) {
    List<Agent> agents = desk.parts().agents().list(view.organization());
    Map<AgentId, String> names = new HashMap<>();
    agents.forEach(agent -> names.put(agent.id(), agent.name()));
    Optional<Activity> activity = Choices.of(Activity.class, asked.status(), "status");
    int colon = asked.metadata().indexOf('=');
    AgentId agent =
        asked.agent().isEmpty()
            ? null
            : desk.parts().agents().find(view.organization(), asked.agent()).id();
    ConversationFilter filter =
        new ConversationFilter(
            asked.text().isEmpty() ? null : asked.text(),
            asked.metadata().isEmpty()
                ? null
                : colon < 0 ? asked.metadata() : asked.metadata().substring(0, colon),
            colon < 0 ? "" : asked.metadata().substring(colon + 1),
            activity.orElse(null),
            agent,
            Choices.since(asked.since(), desk.parts().clock().now()),
            asked.cursor().isEmpty() ? null : asked.cursor(),
            PAGE);
    Map<String, Object> model = new HashMap<>();
    model.put("view", view);
    model.put("asked", asked);
    model.put("agents", agents);
    model.put("names", names);
    model.put("page", desk.parts().reports().conversations(view.organization(), filter));
    return model;
  }
}
