package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.eventlog.Subscription;
import io.turnkeeper.gateway.Export;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.queue.LeaseView;
import io.turnkeeper.queue.Run;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.ui.Signing.Done;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** One conversation: the chat, the timeline beside it, and what may be done. */
final class ConversationPage {
  /** Turns on a page; older ones are a page away. */
  private static final int PAGE = 20;

  private final Console.Desk desk;

  ConversationPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    Signing signing = desk.signing();
    String at = "/console/conversations/{id}";
    return List.of(
        Route.get(at, signing.page(this::show)),
        Route.get(at + "/turns/{run_id}", signing.page(this::turn)),
        Route.get(at + "/export", signing.page(this::export)),
        Route.get("/console/live/conversations/{id}", signing.page(this::live)),
        Route.post(at + "/send", signing.action(Role.CLIENT, this::send)),
        Route.post(at + "/runs/{run_id}/cancel", signing.action(Role.CLIENT, this::cancel)),
        Route.post(at + "/runs/{run_id}/retry", signing.action(Role.CLIENT, this::retry)),
        Route.post(at + "/runs/{run_id}/answer", signing.action(Role.CLIENT, this::answer)),
        Route.post(at + "/pause", signing.action(Role.ADMIN, deed("pause"), this::pause)),
        Route.post(at + "/resume", signing.action(Role.ADMIN, deed("resume"), this::resume)),
        Route.post(at + "/delete", signing.action(Role.CLIENT, deed("delete"), this::delete)));
  }

  private static Guard.Deed deed(String verb) {
    return new Guard.Deed("thread." + verb, "thread", "id");
  }

  private void show(Exchange exchange, View view) {
    StoredConversation conversation = conversation(exchange, view);
    int skip = exchange.queryInt("skip", 0, 0, 1_000_000);
    Turns turns = new Turns(desk.parts().conversations(), desk.parts().agents());
    List<Run> page = Turns.page(desk.parts().conversations(), conversation, PAGE + 1, skip);
    boolean more = page.size() > PAGE;
    List<Run> shown = more ? page.subList(0, PAGE) : page;
    Map<RunId, Snapshots.Cost> snapshots =
        shown.isEmpty()
            ? Map.of()
            : desk.parts().reports().snapshots(conversation, shown.getLast().turn());
    List<Turn> built = new ArrayList<>();
    for (Run run : shown.reversed()) {
      boolean newest = skip == 0 && run.equals(shown.getFirst());
      built.add(turns.turn(run, newest || !run.status().terminal(), snapshots.get(run.id())));
    }
    Map<String, Object> model = head(view, conversation, turns);
    model.put("turns", built);
    model.put("older", more ? skip + PAGE : 0);
    model.put("skip", skip);
    model.put(
        "from",
        shown.stream()
            .filter(run -> !run.status().terminal())
            .mapToLong(run -> run.turn() - 1)
            .min()
            .orElse(shown.isEmpty() ? 0 : shown.getFirst().turn()));
    desk.signing().html(exchange, 200, desk.templates().render("conversation", model));
  }

  /** One turn with its timeline. */
  private void turn(Exchange exchange, View view) {
    StoredConversation conversation = conversation(exchange, view);
    Run run = run(exchange, view);
    Turns turns = new Turns(desk.parts().conversations(), desk.parts().agents());
    desk.signing()
        .html(
            exchange,
            200,
            html(
                view,
                turns.turn(
                    run,
                    true,
                    desk.parts().reports().snapshots(conversation, run.turn()).get(run.id()))));
  }

  private void live(Exchange exchange, View view) throws InterruptedException {
    StoredConversation conversation = conversation(exchange, view);
    long from = exchange.queryLong("from", 0, 0, Long.MAX_VALUE);
    try (Subscription news = desk.parts().conversations().subscribe(conversation.key())) {
      desk.live().stream(exchange, new Watched(view, conversation.id(), from)::parts, news);
    }
  }

  /** The turns of one viewer: what has ended is not read again. */
  private final class Watched {
    private final View view;
    private final String id;
    private final long from;
    private final Turns turns = new Turns(desk.parts().conversations(), desk.parts().agents());
    private final Map<RunId, String> ended = new HashMap<>();
    private Set<RunId> wasLive = Set.of();
    private boolean first = true;

    private Watched(View view, String id, long from) {
      this.view = view;
      this.id = id;
      this.from = from;
    }

    private Map<String, String> parts() {
      StoredConversation conversation =
          desk.parts()
              .conversations()
              .find(view.organization(), id)
              .orElseThrow(() -> new Refusal.NotFound("conversation", id));
      Map<String, String> parts = new LinkedHashMap<>();
      List<Run> live = desk.parts().conversations().live(conversation);
      Set<RunId> liveIds = new java.util.HashSet<>();
      live.forEach(run -> liveIds.add(run.id()));
      if (first || !liveIds.equals(wasLive)) {
        // A run has come or ended.
        first = false;
        wasLive = liveIds;
        readEnded(conversation, liveIds);
      }
      ended.forEach((run, html) -> parts.put("run-" + run, html));
      for (Run run : live) {
        parts.put("run-" + run.id(), html(view, turns.turn(run, true, null)));
      }
      parts.put(
          "head",
          desk.templates().render("parts/conversation-head", head(view, conversation, turns)));
      return parts;
    }

    private void readEnded(StoredConversation conversation, Set<RunId> liveIds) {
      List<Run> newest = Turns.page(desk.parts().conversations(), conversation, PAGE, 0);
      for (Run run : newest.reversed()) {
        boolean open = run.turn() > from || run.equals(newest.getFirst());
        if (!liveIds.contains(run.id()) && open && !ended.containsKey(run.id())) {
          Snapshots.Cost snapshot =
              desk.parts().reports().snapshots(conversation, run.turn()).get(run.id());
          ended.put(run.id(), html(view, turns.turn(run, true, snapshot)));
        }
      }
    }
  }

  private String html(View view, Turn turn) {
    return desk.templates().render("parts/turn", Map.of("view", view, "turn", turn));
  }

  private Map<String, Object> head(View view, StoredConversation conversation, Turns turns) {
    Optional<LeaseView> lease = desk.parts().reports().lease(conversation);
    Map<String, Object> model = new HashMap<>();
    model.put("view", view);
    model.put("conversation", conversation);
    model.put(
        "agent",
        conversation.agent() == null ? "" : turns.name(view.organization(), conversation.agent()));
    model.put("lease", lease.orElse(null));
    model.put("metadata", RunReader.pretty(conversation.metadata()));
    return model;
  }

  private void export(Exchange exchange, View view) {
    Export.answer(
        exchange, desk.parts().conversations(), conversation(exchange, view), view.caller().role());
  }

  private Done send(Exchange exchange, View view, Form form) {
    StoredConversation conversation = conversation(exchange, view);
    String message = form.required("message", "a message");
    String agent =
        conversation.agent() == null
            ? form.required("agent", "an agent: this conversation has none yet")
            : conversation.agent().toString();
    desk.mayQueue(view, 1);
    desk.parts().conversations().post(Posting.turn(view, agent, conversation.id(), message, false));
    return stay(view, conversation.id(), "Sent");
  }

  private Done cancel(Exchange exchange, View view, Form form) {
    Run run = run(exchange, view);
    String reason = "cancelled by " + view.caller().keyName();
    return stay(
        view,
        run.conversation().id(),
        switch (desk.parts().conversations().cancel(view.organization(), run.id(), reason)) {
          case ENDED -> "Cancelled before it started";
          case ASKED -> "Asked the agent to stop";
          case TOO_LATE -> "It had ended already";
        });
  }

  private Done retry(Exchange exchange, View view, Form form) {
    Run run = run(exchange, view);
    desk.mayQueue(view, 1);
    boolean again = desk.parts().conversations().retry(run).replayed();
    return stay(
        view,
        run.conversation().id(),
        again ? "It was asked again before; that turn is below" : "Asked again, as a new turn");
  }

  private Done answer(Exchange exchange, View view, Form form) {
    Run run = run(exchange, view);
    String permission = form.required("permission", "the question");
    desk.parts()
        .conversations()
        .answer(run, permission, form.field("option").orElse(null), view.caller().keyName());
    return stay(view, run.conversation().id(), "Answered");
  }

  private Done pause(Exchange exchange, View view, Form form) {
    StoredConversation conversation = conversation(exchange, view);
    if (!desk.parts().conversations().pause(conversation, view.caller().keyName())) {
      throw new Refusal.Conflict("never_ran", "it has had no run yet: there is nothing to pause");
    }
    return stay(view, conversation.id(), "Paused: a run under way ends, none starts");
  }

  private Done resume(Exchange exchange, View view, Form form) {
    StoredConversation conversation = conversation(exchange, view);
    desk.parts().conversations().resume(conversation);
    return stay(view, conversation.id(), "Resumed");
  }

  private Done delete(Exchange exchange, View view, Form form) throws InterruptedException {
    desk.parts().conversations().delete(conversation(exchange, view));
    return new Done(view.link("/conversations"), "Deleted", false);
  }

  private static Done stay(View view, String conversation, String said) {
    return new Done(view.conversation(conversation), said, true);
  }

  private StoredConversation conversation(Exchange exchange, View view) {
    String id = exchange.pathParam("id");
    return desk.parts()
        .conversations()
        .find(view.organization(), id)
        .orElseThrow(() -> new Refusal.NotFound("conversation", id));
  }

  /** One of the conversation that the path names. */
  private Run run(Exchange exchange, View view) {
    String run = exchange.pathParam("run_id");
    String id = exchange.pathParam("id");
    return RunId.parse(run)
        .flatMap(known -> desk.parts().conversations().run(view.organization(), known))
        .filter(found -> found.conversation().id().equals(id))
        .orElseThrow(() -> new Refusal.NotFound("run", run));
  }
}
