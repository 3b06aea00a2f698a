package io.turnkeeper.worker;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.node.StringNode;

/**
 * Text that the database can store. JSON may spell a NUL or half a surrogate pair; PostgreSQL
 * refuses both, and an agent must not be able to make its own log unwritable.
 */
final class Plain {
  private Plain() {}

  /** The node with such characters replaced. Only a line with an escape can hold any. */
  static JsonNode node(JsonNode node, String line) {
    return line.contains("\\u") ? clean(node) : node;
  }

  private static JsonNode clean(JsonNode node) {
    return switch (node) {
      case StringNode string -> {
        String text = string.asString();
        String plain = text(text);
        yield plain.equals(text) ? string : StringNode.valueOf(plain);
      }
      case ArrayNode array -> {
        for (int i = 0; i < array.size(); i++) {
          array.set(i, clean(array.get(i)));
        }
        yield array;
      }
      case ObjectNode object -> {
        ObjectNode cleaned = object.objectNode();
        object
            .properties()
            .forEach(entry -> cleaned.set(text(entry.getKey()), clean(entry.getValue())));
        yield cleaned;
      }
      default -> node;
    };
  }

  /** The text with NUL and lone surrogates replaced by U+FFFD. */
  static String text(String text) {
    StringBuilder plain = null;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean pair =
          Character.isHighSurrogate(c)
              && i + 1 < text.length()
              && Character.isLowSurrogate(text.charAt(i + 1));
      if (pair) {
        i++;
      } else if (c == 0 || Character.isSurrogate(c)) {
        if (plain == null) {
          plain = new StringBuilder(text);
        }
        plain.setCharAt(i, '\uFFFD');
      }
    }
    return plain == null ? text : plain.toString();
  }
}
