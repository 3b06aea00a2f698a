package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.conversation.StoredConversation.Activity;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.node.ArrayNode;

/** Finds what a request names, and puts together what it shows of a conversation. */
final class Threads {
  static final int ID_CHARS_MAX = 255;
  private static final int EVENTS_PAGE = 1_000;

  private final Conversations conversations;

  Threads(Conversations conversations) {
    this.conversations = conversations;
  }

  StoredConversation thread(OrganizationId organization, String id) {
    return find(organization, id).orElseThrow(() -> new Refusal.NotFound("thread", id));
  }

  Optional<StoredConversation> find(OrganizationId organization, String id) {
    return id.isEmpty() || id.length() > ID_CHARS_MAX
        ? Optional.empty()
        : conversations.find(organization, id);
  }

  /** A run of the thread; one of another thread is not there. */
  Run run(OrganizationId organization, String thread, String run) {
    return io.turnkeeper.base.RunId.parse(run)
        .flatMap(id -> conversations.run(organization, id))
        .filter(found -> found.conversation().id().equals(thread))
        .orElseThrow(() -> new Refusal.NotFound("run", run));
  }

  Run run(OrganizationId organization, String run) {
    return io.turnkeeper.base.RunId.parse(run)
        .flatMap(id -> conversations.run(organization, id))
        .orElseThrow(() -> new Refusal.NotFound("run", run));
  }

  ArrayNode messages(StoredConversation thread) {
    return conversations.messages(thread.organization(), thread.key(), Long.MAX_VALUE);
  }

  /** The frames' subject: everything before the run's answer. */
  RunTranslator.Subject subject(Run run, String agent) {
    ArrayNode before =
        conversations.messages(run.organization(), run.conversation().key(), run.turn() - 1);
    before.addAll(
        io.turnkeeper.transcript.Transcript.inputMessages(run.id().toString(), run.input()));
    return new RunTranslator.Subject(run.id().toString(), run.conversation().id(), agent, before);
  }

  /** What the thread's run asks a person, if it does. */
  ArrayNode interrupts(StoredConversation thread) {
    if (thread.activity() != Activity.WAITING) {
      return Json.array();
    }
    Optional<Run> waiting = waiting(thread);
    return waiting.map(run -> folded(run).interrupts()).orElseGet(Json::array);
  }

  Optional<Run> waiting(StoredConversation thread) {
    return conversations.live(thread).stream()
        .filter(run -> run.status() == RunStatus.WAITING)
        .findFirst();
  }

  /** The run's whole log as it is now. */
  RunTranslator folded(Run run) {
    RunTranslator translator =
        new RunTranslator(subject(run, "agent"), EnumSet.noneOf(StreamMode.class));
    int after = 0;
    while (true) {
      List<Event> page = conversations.events(run.organization(), run.id(), after, EVENTS_PAGE);
      page.forEach(event -> translator.apply(event.kind(), event.data()));
      if (page.size() < EVENTS_PAGE) {
        return translator;
      }
      after = page.getLast().seq();
    }
  }
}
