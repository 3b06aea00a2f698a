package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.transcript.TurnFold;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Folds a run's durable events into the frames of a client's stream. Pure and deterministic:
 * whoever folds the same events from the first one, on any replica, at any time, gets the same
 * frames; that is what lets a client go on from any id.
 */
final class RunTranslator {
  /** One server-sent event. */
  record Frame(String event, JsonNode data) {}

  /**
   * @param before the conversation's messages before this turn's answer, what was asked included
   */
  record Subject(String runId, String threadId, String agent, ArrayNode before) {}

  private static final String OUTCOME_UNKNOWN =
      "outcome unknown: the attempt ended while this call was under way";

  private final Subject subject;
  private final Set<StreamMode> modes;
  private final TurnFold fold;
  private final Set<String> announced = new HashSet<>();
  private final Map<String, JsonNode> openPermissions = new LinkedHashMap<>();
  private int unknowns;
  private boolean metadataSent;
  private boolean started;
  private boolean ended;

  RunTranslator(Subject subject, Set<StreamMode> modes) {
    this.subject = subject;
    this.modes = modes;
    this.fold = new TurnFold(subject.runId());
  }

  /** The frames that the run's next event becomes; possibly none. */
  List<Frame> apply(String kind, JsonNode data) {
    List<Frame> frames = new ArrayList<>();
    fold.apply(kind, data);
    if (!metadataSent && !kind.equals("run.started")) {
      metadata(1, frames);
    }
    unknown(data.path("unknown_tool_calls"), frames);
    switch (kind) {
      case "run.started" -> {
        started = true;
        metadata(data.path("attempt").asInt(1), frames);
        values(frames);
      }
      case "agent.update" -> update(data, frames);
      case "permission.requested" -> {
        if (data.has("expires_at")) {
          openPermissions.put(data.path("id").asString(""), data);
          interrupt(frames);
        }
      }
      case "permission.resolved" -> {
        boolean answered = openPermissions.remove(data.path("id").asString("")) != null;
        if (answered && interrupted()) {
          interrupt(frames);
        }
      }
      case "run.completed", "run.cancelled" -> {
        // A run that never started is no part of the conversation: there is nothing to show of it.
        if (started) {
          complete(frames);
          values(frames);
        }
        ended = true;
      }
      case "run.failed", "run.timeout" -> {
        JsonNode error = data.path("error");
        frames.add(new Frame("error", Shapes.error(error)));
        ended = true;
      }
      default -> {}
    }
    return frames;
  }

  /** Whether the terminal event was folded. */
  boolean ended() {
    return ended;
  }

  /** Whether the agent waits for a person, as far as folded. */
  boolean interrupted() {
    return !openPermissions.isEmpty();
  }

  /** The conversation as it is now, with what a person is asked. */
  ObjectNode valuesNow() {
    ObjectNode values = Json.object();
    ArrayNode messages = values.putArray("messages");
    messages.addAll(subject.before());
    messages.addAll(fold.messages());
    if (!openPermissions.isEmpty()) {
      values.set("__interrupt__", interrupts());
    }
    return values;
  }

  /** What a person is asked, as LangGraph shows interrupts. */
  ArrayNode interrupts() {
    ArrayNode interrupts = Json.array();
    openPermissions.forEach((id, request) -> {
      ObjectNode interrupt = interrupts.addObject().put("id", id);
      ObjectNode value = interrupt.putObject("value").put("type", "permission");
      value.put("permission_id", id);
      value.set("tool_call", request.path("tool_call"));
      value.set("options", request.path("options"));
      interrupt.put("resumable", true).put("when", "during");
    });
    return interrupts;
  }

  private void metadata(int attempt, List<Frame> frames) {
    metadataSent = true;
    frames.add(
        new Frame(
            "metadata",
            Json.object()
                .put("run_id", subject.runId())
                .put("attempt", attempt)
                .put("thread_id", subject.threadId())));
  }

  private void values(List<Frame> frames) {
    if (modes.contains(StreamMode.VALUES)) {
      frames.add(new Frame("values", valuesNow()));
    }
  }

  private void interrupt(List<Frame> frames) {
    if (modes.contains(StreamMode.UPDATES)) {
      ObjectNode data = Json.object();
      data.set("__interrupt__", interrupts());
      frames.add(new Frame("updates", data));
    }
    values(frames);
  }

  private void complete(List<Frame> frames) {
    ArrayNode messages = fold.messages();
    if (modes.contains(StreamMode.MESSAGES) && !messages.isEmpty()) {
      frames.add(new Frame("messages/complete", messages));
    }
    if (modes.contains(StreamMode.UPDATES)) {
      ObjectNode data = Json.object();
      data.putObject(subject.agent()).set("messages", messages);
      frames.add(new Frame("updates", data));
    }
  }

  private void update(JsonNode update, List<Frame> frames) {
    switch (update.path("sessionUpdate").asString("")) {
      case "agent_message_chunk", "agent_thought_chunk" -> chunk(update, frames);
      case "tool_call", "tool_call_update" -> tool(update, frames);
      default -> {}
    }
    if (modes.contains(StreamMode.CUSTOM)) {
      frames.add(new Frame("custom", update));
    }
  }

  private void chunk(JsonNode update, List<Frame> frames) {
    ObjectNode message = fold.currentMessage();
    if (message == null) {
      return;
    }
    partial(message, frames);
    if (modes.contains(StreamMode.MESSAGES_TUPLE)) {
      boolean thought = update.path("sessionUpdate").asString("").equals("agent_thought_chunk");
      String text = update.path("content").path("text").asString("");
      ObjectNode chunk = chunkOf(message, thought ? "" : text);
      if (thought) {
        chunk.putObject("additional_kwargs").put("reasoning_content", text);
      }
      tuple(chunk, frames);
    }
  }

  private void tool(JsonNode update, List<Frame> frames) {
    ObjectNode message = fold.currentMessage();
    String id = update.path("toolCallId").asString("");
    // Some agents begin a call with an update.
    boolean first = announced.add("call " + id);
    ObjectNode result = result(id);
    if (message != null && first) {
      partial(message, frames);
      if (modes.contains(StreamMode.MESSAGES_TUPLE)) {
        ObjectNode chunk = chunkOf(message, "");
        JsonNode calls = message.path("tool_calls");
        JsonNode last = calls.path(calls.size() - 1);
        chunk
            .putArray("tool_call_chunks")
            .addObject()
            .put("name", last.path("name").asString(""))
            .put("args", last.path("args").toString())
            .put("id", last.path("id").asString(""))
            .put("index", calls.size() - 1)
            .put("type", "tool_call_chunk");
        tuple(chunk, frames);
      }
    }
    if (result != null && announced.add("result " + id)) {
      if (modes.contains(StreamMode.MESSAGES_TUPLE)) {
        tuple(result, frames);
      }
      values(frames);
    }
    if (modes.contains(StreamMode.TOOLS)) {
      frames.add(toolFrame(update, first, result));
    }
  }

  /**
   * Calls that were under way when their attempt ended: done or not, nobody knows, and no result
   * will come. Another attempt may begin calls of the same ids.
   */
  private void unknown(JsonNode calls, List<Frame> frames) {
    for (JsonNode call : calls) {
      String id = call.path("toolCallId").asString("");
      announced.remove("call " + id);
      announced.remove("result " + id);
      if (modes.contains(StreamMode.MESSAGES_TUPLE)) {
        tuple(
            Json.object()
                .put("type", "tool")
                .put("id", subject.runId() + "-unknown-" + unknowns++)
                .put("name", call.path("title").asString(""))
                .put("tool_call_id", id)
                .put("status", "error")
                .put("content", OUTCOME_UNKNOWN),
            frames);
      }
      if (modes.contains(StreamMode.TOOLS)) {
        ObjectNode data = Json.object().put("event", "on_tool_error").put("toolCallId", id);
        data.set("name", call.path("title"));
        frames.add(new Frame("tools", data.put("error", OUTCOME_UNKNOWN)));
      }
    }
  }

  private static Frame toolFrame(JsonNode update, boolean first, @Nullable ObjectNode result) {
    ObjectNode data = Json.object();
    String event = first ? "on_tool_start" : result == null ? "on_tool_event" : "on_tool_end";
    if (result != null && result.path("status").asString("").equals("error")) {
      event = "on_tool_error";
    }
    data.put("event", event).put("toolCallId", update.path("toolCallId").asString(""));
    if (update.has("title")) {
      data.set("name", update.path("title"));
    }
    if (first) {
      data.set(
          "input", update.path("rawInput").isObject() ? update.path("rawInput") : Json.object());
    } else if (result == null) {
      data.set("data", update);
    } else {
      data.set(event.equals("on_tool_error") ? "error" : "output", result.path("content"));
    }
    return new Frame("tools", data);
  }

  private @Nullable ObjectNode result(String toolCallId) {
    for (JsonNode message : fold.messages()) {
      if (message instanceof ObjectNode object
          && object.path("tool_call_id").asString("").equals(toolCallId)) {
        return object;
      }
    }
    return null;
  }

  private void partial(ObjectNode message, List<Frame> frames) {
    if (!modes.contains(StreamMode.MESSAGES)) {
      return;
    }
    String id = message.path("id").asString("");
    if (announced.add(id)) {
      ObjectNode about = Json.object();
      about.putObject(id).set("metadata", streamMetadata());
      frames.add(new Frame("messages/metadata", about));
    }
    frames.add(new Frame("messages/partial", Json.array().add(message)));
  }

  private void tuple(ObjectNode message, List<Frame> frames) {
    frames.add(new Frame("messages", Json.array().add(message).add(streamMetadata())));
  }

  private static ObjectNode chunkOf(ObjectNode message, String text) {
    ObjectNode chunk =
        Json.object()
            .put("type", "AIMessageChunk")
            .put("id", message.path("id").asString(""))
            .put("content", text);
    chunk.putObject("additional_kwargs");
    chunk.putObject("response_metadata");
    chunk.putArray("tool_calls");
    chunk.putArray("tool_call_chunks");
    return chunk;
  }

  private ObjectNode streamMetadata() {
    return Json.object()
        .put("langgraph_node", subject.agent())
        .put("graph_id", subject.agent())
        .put("run_id", subject.runId())
        .put("thread_id", subject.threadId());
  }
}
