package io.turnkeeper.ui;

import io.turnkeeper.base.Json;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.transcript.TurnFold;
import io.turnkeeper.ui.Turn.Ask;
import io.turnkeeper.ui.Turn.Block;
import io.turnkeeper.ui.Turn.Entry;
import io.turnkeeper.ui.Turn.Option;
import io.turnkeeper.ui.Turn.Tone;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Reads a run's log, event by event, into what its page shows. */
final class RunReader {
  private static final int TEXT_CHARS_MAX = 20_000;

  private final TurnFold fold;
  private final List<Entry> entries = new ArrayList<>();
  private final Map<String, Ask> asks = new LinkedHashMap<>();
  private final Map<String, Integer> toolEntries = new LinkedHashMap<>();
  private final Map<String, ObjectNode> tools = new LinkedHashMap<>();
  private int after;
  private int said;
  private int pieces;
  private int thought;

  RunReader(String runId) {
    this.fold = new TurnFold(runId);
  }

  /** The number of the last event that was read. */
  int after() {
    return after;
  }

  TurnFold fold() {
    return fold;
  }

  List<Entry> entries() {
    return List.copyOf(entries);
  }

  List<Ask> asks() {
    return List.copyOf(asks.values());
  }

  void read(Event event) {
    after = event.seq();
    fold.apply(event.kind(), event.data());
    JsonNode data = event.data();
    if (!event.kind().equals("agent.update")) {
      pieces = 0;
      thought = 0;
    }
    switch (event.kind()) {
      case "run.started" -> started(event, data);
      case "worker.ready" ->
          add(event, Tone.PLAIN, "Agent ready", restored(data.path("restore").asString("")));
      case "agent.update" -> update(event, data);
      case "permission.requested" -> requested(event, data);
      case "permission.resolved" -> resolved(event, data);
      case "run.warning" ->
          add(event, Tone.WARN, data.path("code").asString("warning"), text(data, "detail"));
      case "run.interrupted" -> interrupted(event, data);
      default -> ended(event, data);
    }
  }

  private void started(Event event, JsonNode data) {
    int attempt = data.path("attempt").asInt(1);
    asks.clear();
    add(
        event,
        attempt > 1 ? Tone.WARN : Tone.PLAIN,
        attempt > 1 ? "Attempt " + attempt + " started" : "Started",
        "on replica "
            + data.path("replica").asString("?")
            + ", agent version "
            + data.path("agent_version").asString("?"));
  }

  private static String restored(String mode) {
    return switch (mode) {
      case "none" -> "started fresh: there was nothing to bring back";
      case "warm" -> "still warm from the turn before";
      case "load" -> "started anew; loaded its session from the snapshot";
      case "resume" -> "started anew; resumed its session from the snapshot";
      case "replay" -> "started anew; got the transcript as text";
      default -> mode;
    };
  }

  private void update(Event event, JsonNode data) {
    switch (data.path("sessionUpdate").asString("")) {
      case "agent_message_chunk" -> {
        boolean first = pieces == 0;
        said = first ? 0 : said;
        pieces++;
        thought = 0;
        said += data.path("content").path("text").asString("").length();
        spoke(event, first, "Answered", pieces, said);
      }
      case "agent_thought_chunk" -> {
        boolean first = thought == 0;
        said = first ? 0 : said;
        thought++;
        pieces = 0;
        said += data.path("content").path("text").asString("").length();
        spoke(event, first, "Thought", thought, said);
      }
      case "tool_call", "tool_call_update" -> {
        pieces = 0;
        thought = 0;
        tool(event, data);
      }
      case "plan" -> {
        pieces = 0;
        add(event, Tone.PLAIN, "Plan", data.path("entries").size() + " steps");
      }
      default -> {}
    }
  }

  private void spoke(Event event, boolean first, String title, int count, int chars) {
    String detail = chars + " characters in " + count + (count == 1 ? " event" : " events");
    if (first) {
      add(event, Tone.PLAIN, title, detail);
    } else {
      Entry began = entries.removeLast();
      entries.add(new Entry(began.seq(), began.at(), Tone.PLAIN, title, detail, List.of()));
    }
  }

  private void tool(Event event, JsonNode data) {
    String id = data.path("toolCallId").asString("");
    ObjectNode state = tools.computeIfAbsent(id, _ -> Json.object());
    for (Map.Entry<String, JsonNode> field : data.properties()) {
      if (!field.getValue().isNull()) {
        state.set(field.getKey(), field.getValue());
      }
    }
    String status = state.path("status").asString("pending");
    String kind = state.path("kind").asString("");
    Integer known = toolEntries.get(id);
    Entry before = known == null ? null : entries.get(known);
    Instant at = before == null ? event.at() : before.at();
    String took =
        status.equals("completed") || status.equals("failed")
            ? " after " + Math.max(0, event.at().toEpochMilli() - at.toEpochMilli()) + " ms"
            : "";
    Entry entry =
        new Entry(
            before == null ? event.seq() : before.seq(),
            at,
            status.equals("failed") ? Tone.BAD : Tone.TOOL,
            toolName(state),
            (kind.isEmpty() ? "" : kind + " · ") + status + took,
            toolBlocks(state));
    if (known == null) {
      toolEntries.put(id, entries.size());
      entries.add(entry);
    } else {
      entries.set(known, entry);
    }
  }

  private static String toolName(JsonNode state) {
    String title = state.path("title").asString("");
    return title.isEmpty() ? "Tool " + state.path("kind").asString("") : title;
  }

  private static List<Block> toolBlocks(JsonNode state) {
    List<Block> blocks = new ArrayList<>();
    JsonNode input = state.path("rawInput");
    if (!input.isMissingNode() && !input.isEmpty()) {
      blocks.add(new Block("Input", pretty(input)));
    }
    StringBuilder output = new StringBuilder();
    for (JsonNode item : state.path("content")) {
      output.append(item.path("content").path("text").asString(""));
      if (item.path("type").asString("").equals("diff")) {
        output.append("diff ").append(item.path("path").asString("")).append('\n');
        output.append(item.path("newText").asString("")).append('\n');
      }
    }
    JsonNode raw = state.path("rawOutput");
    if (output.isEmpty() && !raw.isMissingNode()) {
      output.append(raw.isString() ? raw.asString() : pretty(raw));
    }
    if (!output.isEmpty()) {
      blocks.add(new Block("Output", shortened(output.toString())));
    }
    return blocks;
  }

  private void requested(Event event, JsonNode data) {
    String title = data.path("tool_call").path("title").asString("use a tool");
    boolean asked = data.has("expires_at");
    List<Option> options = new ArrayList<>();
    for (JsonNode option : data.path("options")) {
      String id = option.path("optionId").asString("");
      options.add(
          new Option(
              id,
              option.path("name").asString(id),
              option.path("kind").asString("").startsWith("allow")));
    }
    if (asked) {
      JsonNode input = data.path("tool_call").path("rawInput");
      asks.put(
          data.path("id").asString(""),
          new Ask(
              data.path("id").asString(""),
              title,
              options,
              input.isObject() && !input.isEmpty()
                  ? List.of(new Block("Input", pretty(input)))
                  : List.of()));
    }
    add(
        event,
        Tone.ASK,
        "Permission asked: " + title,
        asked ? "waits for a person" : "answered by the agent's settings");
  }

  private void resolved(Event event, JsonNode data) {
    Ask ask = asks.remove(data.path("id").asString(""));
    String option = data.path("option_id").asString("");
    String name =
        ask == null
            ? option
            : ask.options().stream()
                .filter(one -> one.id().equals(option))
                .map(Option::name)
                .findFirst()
                .orElse(option);
    String by = data.path("by").asString("");
    add(
        event,
        Tone.ASK,
        data.path("outcome").asString("").equals("selected")
            ? "Answered: " + name
            : "Permission not given",
        by.isEmpty() ? "" : "by " + by);
  }

  private void interrupted(Event event, JsonNode data) {
    asks.clear();
    boolean lost = data.path("reason").asString("").equals("replica_lost");
    List<Block> blocks = new ArrayList<>();
    JsonNode unknown = data.path("unknown_tool_calls");
    if (!unknown.isEmpty()) {
      blocks.add(new Block("Nobody knows what became of", pretty(unknown)));
    }
    entries.add(
        new Entry(
            event.seq(),
            event.at(),
            Tone.WARN,
            lost ? "Taken over: its replica was lost" : "Interrupted",
            text(data, "detail"),
            blocks));
  }

  private void ended(Event event, JsonNode data) {
    asks.clear();
    JsonNode error = data.path("error");
    switch (event.kind()) {
      case "run.completed" ->
          add(event, Tone.GOOD, "Completed", data.path("stop_reason").asString(""));
      case "run.cancelled" -> add(event, Tone.PLAIN, "Cancelled", text(error, "message"));
      case "run.failed" ->
          add(
              event,
              Tone.BAD,
              "Failed: " + error.path("code").asString("error"),
              text(error, "message"));
      case "run.timeout" -> add(event, Tone.BAD, "Timed out", text(error, "message"));
      default -> add(event, Tone.PLAIN, event.kind(), "");
    }
  }

  private void add(Event event, Tone tone, String title, String detail) {
    entries.add(new Entry(event.seq(), event.at(), tone, title, detail, List.of()));
  }

  private static String text(JsonNode node, String field) {
    return node.path(field).asString("");
  }

  static String pretty(@Nullable JsonNode node) {
    return node == null
        ? ""
        : shortened(Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(node));
  }

  private static String shortened(String text) {
    return text.length() <= TEXT_CHARS_MAX
        ? text
        : text.substring(0, TEXT_CHARS_MAX) + "\n… " + (text.length() - TEXT_CHARS_MAX) + " more";
  }
}
