package io.turnkeeper.ui;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.transcript.Transcript;
import io.turnkeeper.ui.Turn.Block;
import io.turnkeeper.ui.Turn.Bubble;
import io.turnkeeper.ui.Turn.Who;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/**
 * The turns of one conversation as one viewer sees them. Remembers how far it has read the logs of
 * runs under way, so that a reply that streams is read once.
 */
final class Turns {
  private static final int EVENTS_PAGE = 1_000;

  private final Conversations conversations;
  private final Agents agents;
  private final Map<RunId, RunReader> readers = new HashMap<>();
  private final Map<AgentId, String> names = new HashMap<>();

  Turns(Conversations conversations, Agents agents) {
    this.conversations = conversations;
    this.agents = agents;
  }

  /**
   * @param open whether the timeline is shown
   */
  Turn turn(Run run, boolean open, Snapshots.@Nullable Cost snapshot) {
    List<Bubble> bubbles = new ArrayList<>();
    for (JsonNode message : Transcript.inputMessages(run.id().toString(), run.input())) {
      bubbles.add(new Bubble(Who.USER, Transcript.text(message.path("content")), List.of()));
    }
    if (bubbles.isEmpty()) {
      bubbles.add(new Bubble(Who.USER, RunReader.pretty(run.input()), List.of()));
    }
    RunReader reader = open || !run.status().terminal() ? read(run) : null;
    ArrayNode said =
        run.output() instanceof ArrayNode output
            ? output
            : reader == null ? null : reader.fold().messages();
    if (said != null) {
      bubbles.addAll(bubbles(said));
    }
    return new Turn(
        run,
        name(run.organization(), run.agent()),
        bubbles,
        reader == null || !open ? null : reader.entries(),
        reader == null || run.status().terminal() ? List.of() : reader.asks(),
        snapshot);
  }

  String name(OrganizationId organization, AgentId agent) {
    return names.computeIfAbsent(
        agent, id -> agents.current(organization, id).map(Agent::name).orElse(id.toString()));
  }

  private RunReader read(Run run) {
    RunReader reader = readers.computeIfAbsent(run.id(), id -> new RunReader(id.toString()));
    while (true) {
      List<Event> page =
          conversations.events(run.organization(), run.id(), reader.after(), EVENTS_PAGE);
      page.forEach(reader::read);
      if (page.size() < EVENTS_PAGE) {
        return reader;
      }
    }
  }

  private static List<Bubble> bubbles(ArrayNode messages) {
    Map<String, String> results = new LinkedHashMap<>();
    for (JsonNode message : messages) {
      if (message.path("type").asString("").equals("tool")) {
        results.put(
            message.path("tool_call_id").asString(""), Transcript.text(message.path("content")));
      }
    }
    List<Bubble> bubbles = new ArrayList<>();
    for (JsonNode message : messages) {
      if (message.path("type").asString("").equals("tool")) {
        continue;
      }
      String thought = message.path("additional_kwargs").path("reasoning_content").asString("");
      if (!thought.isBlank()) {
        bubbles.add(new Bubble(Who.THOUGHT, thought.strip(), List.of()));
      }
      String text = Transcript.text(message.path("content"));
      if (!text.isBlank()) {
        bubbles.add(new Bubble(Who.AGENT, text.strip(), List.of()));
      }
      for (JsonNode call : message.path("tool_calls")) {
        bubbles.add(toolBubble(call, results.get(call.path("id").asString(""))));
      }
    }
    return bubbles;
  }

  private static Bubble toolBubble(JsonNode call, @Nullable String result) {
    List<Block> blocks = new ArrayList<>();
    if (!call.path("args").isEmpty()) {
      blocks.add(new Block("Input", RunReader.pretty(call.path("args"))));
    }
    if (result != null && !result.isEmpty()) {
      blocks.add(new Block("Output", result));
    }
    return new Bubble(Who.TOOL, call.path("name").asString("tool"), blocks);
  }

  /** Newest first, of a conversation. */
  static List<Run> page(
      Conversations conversations, StoredConversation conversation, int limit, int offset) {
    return conversations.runs(conversation, java.util.Set.of(), limit, offset);
  }
}
