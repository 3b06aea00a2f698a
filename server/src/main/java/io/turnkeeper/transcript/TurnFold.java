package io.turnkeeper.transcript;

import io.turnkeeper.base.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Folds the events of one run, in order, into the messages that its turn produced, shaped as
 * LangChain shapes them. The same events give the same messages, ids included, wherever they are
 * folded:
 *
 * <ul>
 *   <li>agent_message_chunk: text of the current {@code ai} message; a new one begins when the
 *       agent's messageId changes, or after a tool call.
 *   <li>agent_thought_chunk: {@code additional_kwargs.reasoning_content} of the current {@code ai}
 *       message.
 *   <li>tool_call, tool_call_update: an entry in {@code tool_calls} of the current {@code ai}
 *       message, and a {@code tool} message once it has completed or failed.
 * </ul>
 *
 * An attempt that was interrupted does not count: its successor starts with nothing, unless it
 * resumes.
 */
public final class TurnFold {
  private final String runId;
  private final List<Part> parts = new ArrayList<>();
  private final Map<String, ToolCall> toolCalls = new LinkedHashMap<>();
  private @Nullable Ai current;
  private int made;

  /** A message in the making. */
  private sealed interface Part permits Ai, ToolResult {}

  private static final class Ai implements Part {
    private final String id;
    private final @Nullable String agentMessageId;
    private final StringBuilder text = new StringBuilder();
    private final StringBuilder thought = new StringBuilder();
    private final List<JsonNode> blocks = new ArrayList<>();
    private final List<ToolCall> calls = new ArrayList<>();

    private Ai(String id, @Nullable String agentMessageId) {
      this.id = id;
      this.agentMessageId = agentMessageId;
    }
  }

  private record ToolResult(String id, ToolCall call) implements Part {}

  private static final class ToolCall {
    private final String id;
    private final ObjectNode state;
    private boolean ended;

    private ToolCall(String id, ObjectNode state) {
      this.id = id;
      this.state = state;
    }

    private String name() {
      String title = state.path("title").asString("");
      return title.isEmpty() ? state.path("kind").asString("tool") : title;
    }
  }

  /**
   * @param runId from which the messages get their ids
   */
  public TurnFold(String runId) {
    this.runId = runId;
  }

  /** Takes the run's next event. Kinds that say nothing are passed over. */
  public synchronized void apply(String kind, JsonNode data) {
    switch (kind) {
      case "agent.update" -> update(data);
      case "run.started" -> {
        if (data.path("attempt").asInt(1) > 1) {
          parts.clear();
          toolCalls.clear();
          current = null;
        }
      }
      default -> {}
    }
  }

  /** What the turn has produced so far. */
  public synchronized ArrayNode messages() {
    ArrayNode messages = Json.array();
    for (Part part : parts) {
      messages.add(
          switch (part) {
            case Ai ai -> message(ai);
            case ToolResult result -> message(result);
          });
    }
    return messages;
  }

  /** The text of all {@code ai} messages of the turn, in order. */
  public synchronized String answer() {
    StringBuilder answer = new StringBuilder();
    for (Part part : parts) {
      if (part instanceof Ai ai && !ai.text.isEmpty()) {
        if (!answer.isEmpty()) {
          answer.append("\n\n");
        }
        answer.append(ai.text);
      }
    }
    return answer.toString();
  }

  /** Tool calls that were begun and have no result: {@code [{toolCallId, title}]}. */
  public synchronized ArrayNode openToolCalls() {
    ArrayNode open = Json.array();
    for (ToolCall call : toolCalls.values()) {
      if (!call.ended) {
        open.addObject().put("toolCallId", call.id).put("title", call.name());
      }
    }
    return open;
  }

  /**
   * The message that the last event changed, whole, as it is now; null when the last event changed
   * none.
   */
  public synchronized @Nullable ObjectNode currentMessage() {
    Ai now = current;
    return now == null ? null : message(now);
  }

  private void update(JsonNode update) {
    switch (update.path("sessionUpdate").asString("")) {
      case "agent_message_chunk" -> chunk(update, false);
      case "agent_thought_chunk" -> chunk(update, true);
      case "tool_call", "tool_call_update" -> toolCall(update);
      default -> {}
    }
  }

  private void chunk(JsonNode update, boolean thought) {
    JsonNode idNode = update.path("messageId");
    String messageId = idNode.isString() ? idNode.asString() : null;
    Ai ai = current;
    boolean other =
        ai == null
            || !ai.calls.isEmpty()
            || (messageId != null
                && ai.agentMessageId != null
                && !messageId.equals(ai.agentMessageId));
    if (ai == null || other) {
      ai = newAi(messageId);
    }
    JsonNode content = update.path("content");
    if (content.path("type").asString("").equals("text")) {
      (thought ? ai.thought : ai.text).append(content.path("text").asString(""));
    } else if (content.isObject()) {
      ai.blocks.add(content);
    }
  }

  private void toolCall(JsonNode update) {
    String id = update.path("toolCallId").asString("");
    ToolCall call = toolCalls.get(id);
    if (call == null) {
      call = new ToolCall(id, Json.object());
      toolCalls.put(id, call);
      Ai ai = current;
      if (ai == null) {
        ai = newAi(null);
      }
      ai.calls.add(call);
    }
    for (Map.Entry<String, JsonNode> field : update.properties()) {
      if (!field.getKey().equals("sessionUpdate") && !field.getValue().isNull()) {
        call.state.set(field.getKey(), field.getValue());
      }
    }
    String status = call.state.path("status").asString("");
    if (!call.ended && (status.equals("completed") || status.equals("failed"))) {
      call.ended = true;
      parts.add(new ToolResult(nextId(), call));
    }
  }

  private Ai newAi(@Nullable String messageId) {
    Ai ai = new Ai(nextId(), messageId);
    parts.add(ai);
    current = ai;
    return ai;
  }

  private String nextId() {
    return runId + "-" + made++;
  }

  private static ObjectNode message(Ai ai) {
    ObjectNode message = Json.object().put("type", "ai").put("id", ai.id);
    if (ai.blocks.isEmpty()) {
      message.put("content", ai.text.toString());
    } else {
      ArrayNode content = message.putArray("content");
      if (!ai.text.isEmpty()) {
        content.addObject().put("type", "text").put("text", ai.text.toString());
      }
      ai.blocks.forEach(content::add);
    }
    ObjectNode extra = message.putObject("additional_kwargs");
    if (!ai.thought.isEmpty()) {
      extra.put("reasoning_content", ai.thought.toString());
    }
    message.putObject("response_metadata");
    ArrayNode calls = message.putArray("tool_calls");
    for (ToolCall call : ai.calls) {
      ObjectNode shown = calls.addObject().put("name", call.name()).put("id", call.id);
      JsonNode input = call.state.path("rawInput");
      shown.set("args", input.isObject() ? input : Json.object());
      shown.put("type", "tool_call");
    }
    message.putArray("invalid_tool_calls");
    return message;
  }

  private static ObjectNode message(ToolResult result) {
    ObjectNode state = result.call().state;
    return Json.object()
        .put("type", "tool")
        .put("id", result.id())
        .put("name", result.call().name())
        .put("tool_call_id", result.call().id)
        .put("status", state.path("status").asString("").equals("failed") ? "error" : "success")
        .put("content", resultText(state));
  }

  private static String resultText(ObjectNode state) {
    StringBuilder text = new StringBuilder();
    for (JsonNode item : state.path("content")) {
      JsonNode content = item.path("content");
      if (content.path("type").asString("").equals("text")) {
        text.append(content.path("text").asString(""));
      } else if (item.path("type").asString("").equals("diff")) {
        text.append("diff ").append(item.path("path").asString(""));
      }
    }
    JsonNode raw = state.path("rawOutput");
    if (text.isEmpty() && !raw.isMissingNode()) {
      return raw.isString() ? raw.asString() : Json.write(raw);
    }
    return text.toString();
  }
}
