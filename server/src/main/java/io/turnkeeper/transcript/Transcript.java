package io.turnkeeper.transcript;

import io.turnkeeper.base.Json;
import java.util.Locale;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Messages of a whole conversation: what was asked, as messages, and everything as text. */
public final class Transcript {
  private Transcript() {}

  /**
   * The messages that a run's input holds, each with a type and an id. What is not a message is
   * left out.
   *
   * @param runId from which messages without an id get one
   */
  public static ArrayNode inputMessages(String runId, ObjectNode input) {
    ArrayNode messages = Json.array();
    int place = 0;
    for (JsonNode given : input.path("messages")) {
      ObjectNode message = Json.object();
      if (given.isString()) {
        message.put("type", "human").put("content", given.asString());
      } else if (given instanceof ObjectNode object) {
        message.setAll(object.deepCopy());
        message.put("type", type(object));
        message.remove("role");
        if (!message.has("content")) {
          message.put("content", "");
        }
      } else {
        continue;
      }
      JsonNode id = message.path("id");
      if (!id.isString() || id.asString().isEmpty()) {
        message.put("id", runId + "-in-" + place);
      }
      messages.add(message);
      place++;
    }
    return messages;
  }

  /**
   * The conversation as text, for an agent that lost its session: one paragraph a message, with who
   * said it.
   */
  public static String asText(ArrayNode messages) {
    StringBuilder text = new StringBuilder();
    for (JsonNode message : messages) {
      String content = text(message.path("content")).strip();
      if (content.isEmpty()) {
        continue;
      }
      String who =
          switch (message.path("type").asString("")) {
            case "human" -> "User";
            case "ai" -> "Assistant";
            case "system" -> "System";
            case "tool" -> "Tool " + message.path("name").asString("");
            case String other -> other;
          };
      text.append(who).append(": ").append(content).append("\n\n");
    }
    return text.toString().strip();
  }

  /** The text of a message's content, be it a string or blocks. */
  public static String text(JsonNode content) {
    if (content.isString()) {
      return content.asString();
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode block : content) {
      if (block.isString()) {
        text.append(block.asString());
      } else if (block.path("type").asString("").equals("text")) {
        text.append(block.path("text").asString(""));
      }
    }
    return text.toString();
  }

  private static String type(ObjectNode message) {
    String type = message.path("type").asString("");
    String role = message.path("role").asString("");
    return switch ((type.isEmpty() ? role : type).toLowerCase(Locale.ROOT)) {
      case "", "user", "human" -> "human";
      case "assistant", "ai" -> "ai";
      case String other -> other;
    };
  }
}
