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
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Finds what a request names, and puts together what it shows of a conversation. */
final class Threads {
  static final int ID_CHARS_MAX = 255;
  private static final int EVENTS_PAGE = 1_000;
  private static final int RUNS_PAGE = 50;
  private static final Set<RunStatus> ENDED =
      Arrays.stream(RunStatus.values())
          .filter(RunStatus::terminal)
          .collect(Collectors.toUnmodifiableSet());

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

  /**
   * What a thread shows.
   *
   * @param interrupts what its run asks a person
   * @param waiting the run that asks
   */
  record Now(ObjectNode values, ArrayNode interrupts, @Nullable Run waiting) {}

  /** A run that waits for a person shows what it has said so far: the question is about that. */
  Now now(StoredConversation thread) {
    Run run = thread.activity() == Activity.WAITING ? waiting(thread).orElse(null) : null;
    if (run == null) {
      return new Now(Shapes.values(messages(thread)), Json.array(), null);
    }
    RunTranslator state = folded(run).state();
    ObjectNode values = state.valuesNow();
    values.remove("__interrupt__");
    return new Now(values, state.interrupts(), run);
  }

  /**
   * Whether a checkpoint names the thread's newest state, from which its next run goes on anyway.
   */
  boolean isNewest(StoredConversation thread, String checkpoint) {
    Optional<Run> waiting = waiting(thread);
    if (waiting.isPresent()) {
      return waiting.get().id().toString().equals(checkpoint);
    }
    int offset = 0;
    while (true) {
      List<Run> page = conversations.runs(thread, ENDED, RUNS_PAGE, offset);
      Optional<Run> newest = page.stream().filter(run -> run.times().started() != null).findFirst();
      if (newest.isPresent() || page.size() < RUNS_PAGE) {
        return newest.isPresent() && newest.get().id().toString().equals(checkpoint);
      }
      offset += RUNS_PAGE;
    }
  }

  Optional<Run> waiting(StoredConversation thread) {
    return conversations.live(thread).stream()
        .filter(run -> run.status() == RunStatus.WAITING)
        .findFirst();
  }

  /**
   * A run's whole log as it is now.
   *
   * @param seen the number of its last event
   */
  record Folded(RunTranslator state, int seen) {}

  Folded folded(Run run) {
    RunTranslator translator =
        new RunTranslator(subject(run, "agent"), EnumSet.noneOf(StreamMode.class));
    int after = 0;
    while (true) {
      List<Event> page = conversations.events(run.organization(), run.id(), after, EVENTS_PAGE);
      for (Event event : page) {
        translator.apply(event.kind(), event.data());
        after = event.seq();
      }
      if (page.size() < EVENTS_PAGE) {
        return new Folded(translator, after);
      }
    }
  }
}
