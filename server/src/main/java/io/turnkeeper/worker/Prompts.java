package io.turnkeeper.worker;

import io.turnkeeper.base.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Turns LangChain-style messages into what agents take: ACP content blocks, or plain text. */
final class Prompts {
  private static final String INTERRUPTED =
      "[Note from the server: an earlier attempt at the following message was interrupted before"
          + " it finished. What you had started may be done, half done or not done. Look at how"
          + " things stand before you repeat anything that has side effects.]";
  private static final String REPLAY_START =
      "[Note from the server: your own record of this conversation could not be restored. This is"
          + " the conversation so far:]\n\n";
  private static final String REPLAY_END =
      "\n\n[End of the conversation so far. What follows is new.]";

  private Prompts() {}

  /**
   * The prompt for a turn; never empty.
   *
   * @param replay the transcript to put first, "" for none
   * @param takes which kinds of content the agent takes
   */
  static ArrayNode blocks(Turn turn, String replay, Predicate<String> takes) {
    ArrayNode blocks = Json.array();
    if (!replay.isEmpty()) {
      text(blocks, REPLAY_START + replay + REPLAY_END);
    }
    if (turn.interrupted()) {
      text(blocks, INTERRUPTED);
    }
    int before = blocks.size();
    for (JsonNode message : fresh(turn.input())) {
      content(blocks, message.isString() ? message : message.path("content"), takes);
    }
    if (blocks.size() == before) {
      // Not messages: an agent of another shape of input gets it as it came.
      text(blocks, Json.write(turn.input()));
    }
    return blocks;
  }

  /** What goes beside the prompt; the trace where ACP has its place for it. */
  static ObjectNode meta(Turn turn) {
    ObjectNode meta = Json.object();
    if (turn.traceparent() != null) {
      meta.put("traceparent", turn.traceparent());
    }
    meta.putObject("turnkeeper")
        .put("run_id", turn.runId())
        .put("thread_id", turn.threadId())
        .put("attempt", turn.attempt())
        .put("interrupted", turn.interrupted());
    return meta;
  }

  /** The text of the new messages, without what is not text. */
  static String text(JsonNode input) {
    ArrayNode blocks = Json.array();
    fresh(input)
        .forEach(m -> content(blocks, m.isString() ? m : m.path("content"), capability -> false));
    List<String> parts = new ArrayList<>();
    blocks.forEach(block -> parts.add(block.path("text").asString("")));
    return String.join("\n", parts);
  }

  /** The messages after the last one that an agent wrote. */
  private static List<JsonNode> fresh(JsonNode input) {
    JsonNode messages = input.path("messages");
    if (messages.isObject() || messages.isString()) {
      return List.of(messages);
    }
    List<JsonNode> fresh = new ArrayList<>();
    for (JsonNode message : messages) {
      String who = message.path("type").asString(message.path("role").asString("human"));
      switch (who) {
        case "ai", "assistant", "tool", "function", "AIMessageChunk" -> fresh.clear();
        default -> fresh.add(message);
      }
    }
    return fresh;
  }

  private static void content(ArrayNode blocks, JsonNode content, Predicate<String> takes) {
    if (content.isString()) {
      text(blocks, content.asString());
    } else if (content.isArray()) {
      content.forEach(part -> part(blocks, part, takes));
    } else if (content.isObject()) {
      part(blocks, content, takes);
    }
  }

  private static void part(ArrayNode blocks, JsonNode part, Predicate<String> takes) {
    if (part.isString()) {
      text(blocks, part.asString());
      return;
    }
    switch (part.path("type").asString("")) {
      case "text" -> text(blocks, part.path("text").asString(""));
      case "image_url" -> {
        JsonNode url = part.path("image_url");
        media(blocks, "image", Media.ofUrl(url.isObject() ? url.path("url") : url), takes);
      }
      case "image" -> media(blocks, "image", Media.of(part), takes);
      case "audio" -> media(blocks, "audio", Media.of(part), takes);
      case "resource_link" -> blocks.add(part.deepCopy());
      case "resource" -> {
        if (takes.test("embeddedContext")) {
          blocks.add(part.deepCopy());
        } else {
          text(blocks, part.path("resource").path("text").asString("[a resource without text]"));
        }
      }
      default -> text(blocks, Json.write(part));
    }
  }

  private static void media(ArrayNode blocks, String kind, Media media, Predicate<String> takes) {
    if (!media.data().isEmpty() && takes.test(kind)) {
      blocks
          .addObject()
          .put("type", kind)
          .put("mimeType", media.mimeType())
          .put("data", media.data());
    } else if (!media.url().isEmpty()) {
      blocks.addObject().put("type", "resource_link").put("name", kind).put("uri", media.url());
    } else {
      text(blocks, "[The user attached an " + kind + " here, which this agent cannot take.]");
    }
  }

  private static void text(ArrayNode blocks, String text) {
    if (!text.isEmpty()) {
      blocks.addObject().put("type", "text").put("text", text);
    }
  }

  /** An image or a sound in any of the spellings in use: a link, or base64 data. */
  private record Media(String mimeType, String data, String url) {
    private static final String BASE64 = ";base64,";

    static Media of(JsonNode part) {
      JsonNode source = part.path("source").isObject() ? part.path("source") : part;
      String data = source.path("data").asString(source.path("base64").asString(""));
      if (data.isEmpty()) {
        return ofUrl(source.path("url"));
      }
      String snake = source.path("mime_type").asString(source.path("media_type").asString(""));
      String mimeType = source.path("mimeType").asString(snake);
      return new Media(mimeType.isEmpty() ? "application/octet-stream" : mimeType, data, "");
    }

    static Media ofUrl(JsonNode node) {
      String url = node.asString("");
      int cut = url.indexOf(BASE64);
      if (url.startsWith("data:") && cut > 0) {
        return new Media(
            url.substring("data:".length(), cut), url.substring(cut + BASE64.length()), "");
      }
      return new Media("", "", url.startsWith("data:") ? "" : url);
    }
  }
}
