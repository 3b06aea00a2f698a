package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.remote.Message;
import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.PermissionRequest;
import io.turnkeeper.worker.TurnEnd;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What workers from elsewhere say, checked when it is accepted and read when it is applied. */
final class Messages {
  static final String TEXT = "text";
  static final String UPDATE = "update";
  static final String CUSTOM = "custom";
  static final String PERMISSION = "permission";
  static final String RESULT = "result";

  private static final int TEXT_MAX = 200;
  private static final String SESSION_UPDATE = "sessionUpdate";

  private Messages() {}

  /**
   * The messages of a request.
   *
   * @throws Refusal.Invalid naming what is wrong with which
   */
  static List<Message> read(ArrayNode events) {
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < events.size(); i++) {
      String at = "events[" + i + "]";
      if (!(events.get(i) instanceof ObjectNode event)) {
        throw wrong(at, "each event is an object");
      }
      JsonNode seq = event.path("seq");
      if (!seq.isIntegralNumber() || !seq.canConvertToInt() || seq.intValue() < 1) {
        throw wrong(at + ".seq", "seq must be a whole number from 1");
      }
      boolean follows = messages.isEmpty() || seq.intValue() == messages.getLast().seq() + 1;
      boolean afterEnd = !messages.isEmpty() && type(messages.getLast().data()).equals(RESULT);
      if (!follows || afterEnd) {
        throw wrong(at + ".seq", "numbers follow each other, and nothing follows a result");
      }
      check(event, at);
      ObjectNode kept = event.deepCopy();
      kept.remove("seq");
      messages.add(new Message(seq.intValue(), kept));
    }
    return messages;
  }

  private static void check(ObjectNode event, String at) {
    switch (type(event)) {
      case TEXT -> need(event.path("text").isString(), at + ".text", "text must be a string");
      case UPDATE ->
          need(
              event.path("update").path(SESSION_UPDATE).isString(),
              at + ".update",
              "update must be an ACP session update: an object with sessionUpdate");
      case CUSTOM -> need(event.path("data").isObject(), at + ".data", "data must be an object");
      case PERMISSION -> {
        String id = event.path("id").asStringOpt().orElse("");
        need(!id.isBlank() && id.length() <= TEXT_MAX, at + ".id", "id must be a short string");
        need(
            event.path("options").isArray() && !event.path("options").isEmpty(),
            at + ".options",
            "options must be a list of objects with optionId, name and kind");
        for (JsonNode option : event.path("options")) {
          need(
              option.path("optionId").isString(),
              at + ".options",
              "each option has an optionId, a name and a kind");
        }
      }
      case RESULT -> {
        String status = event.path("status").asStringOpt().orElse("");
        need(
            status.equals("completed") || status.equals("failed"),
            at + ".status",
            "status must be completed or failed");
      }
      default ->
          throw wrong(at + ".type", "type must be one of text, update, custom, permission, result");
    }
  }

  static String type(ObjectNode data) {
    return data.path("type").asStringOpt().orElse("");
  }

  /** What goes into the log for a text, an update or an event of the worker's own. */
  static ObjectNode update(ObjectNode data) {
    return switch (type(data)) {
      case TEXT -> {
        ObjectNode update = Json.object().put(SESSION_UPDATE, "agent_message_chunk");
        update.putObject("content").put("type", "text").put("text", data.path("text").asString());
        yield update;
      }
      case CUSTOM -> custom(data.path("data"));
      default -> (ObjectNode) data.path("update");
    };
  }

  /** An event of the agent's own making: clients see it as it is, under {@code custom}. */
  static ObjectNode custom(JsonNode data) {
    ObjectNode update = Json.object().put(SESSION_UPDATE, "custom");
    update.set("data", data);
    return update;
  }

  static TurnEnd end(ObjectNode data) {
    if (data.path("status").asString("").equals("completed")) {
      JsonNode usage = data.path("usage");
      return new TurnEnd.Ended(
          data.path("stop_reason").asStringOpt().orElse("end_turn"),
          usage.isObject() ? usage : null);
    }
    String message = data.path("error").path("message").asStringOpt().orElse("the worker failed");
    return new TurnEnd.Failed("agent_error", message);
  }

  static PermissionRequest permission(ObjectNode data) {
    return new PermissionRequest(
        data.path("id").asString(),
        data.path("tool_call") instanceof ObjectNode call ? call : Json.object(),
        (ArrayNode) data.path("options"));
  }

  /** A question as it stands in the log. */
  static ObjectNode asked(ObjectNode data) {
    PermissionRequest request = permission(data);
    ObjectNode asked = Json.object().put("id", request.id());
    asked.set("tool_call", request.toolCall());
    asked.set("options", request.options());
    return asked;
  }

  static boolean offers(ArrayNode options, String id) {
    for (JsonNode option : options) {
      if (option.path("optionId").asString("").equals(id)) {
        return true;
      }
    }
    return false;
  }

  /** The option that says yes or no, for this once where it can. */
  static PermissionAnswer byPolicy(ArrayNode options, boolean yes) {
    String prefix = yes ? "allow" : "reject";
    for (String kind : List.of(prefix + "_once", prefix + "_always")) {
      for (JsonNode option : options) {
        if (option.path("kind").asString("").equals(kind)) {
          return new PermissionAnswer.Selected(option.path("optionId").asString(), "policy");
        }
      }
    }
    return new PermissionAnswer.Cancelled("policy");
  }

  static ObjectNode answer(String permission, PermissionAnswer answer) {
    ObjectNode node = Json.object().put("type", PERMISSION).put("id", permission);
    return switch (answer) {
      case PermissionAnswer.Selected selected ->
          node.put("outcome", "selected").put("option_id", selected.optionId());
      case PermissionAnswer.Cancelled cancelled -> node.put("outcome", "cancelled");
    };
  }

  /** The result, if it is among them: it is the last then. */
  static @Nullable ObjectNode result(List<Message> messages) {
    return !messages.isEmpty() && type(messages.getLast().data()).equals(RESULT)
        ? messages.getLast().data()
        : null;
  }

  private static void need(boolean right, String field, String message) {
    if (!right) {
      throw wrong(field, message);
    }
  }

  private static Refusal wrong(String field, String message) {
    return new Refusal.Invalid("invalid_event", field, message);
  }
}
