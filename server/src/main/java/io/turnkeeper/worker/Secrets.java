package io.turnkeeper.worker;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The values that an agent was given and that must not come back out: in events, logs, errors. */
final class Secrets {
  private static final String HIDDEN = "***";

  /** Shorter values (flags, numbers) are no secrets, and would blot out ordinary words. */
  private static final int CHARS_MIN = 6;

  private final List<String> longestFirst;

  Secrets(Collection<String> environmentValues) {
    longestFirst =
        environmentValues.stream()
            .filter(value -> value.length() >= CHARS_MIN)
            .distinct()
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
  }

  boolean none() {
    return longestFirst.isEmpty();
  }

  List<String> values() {
    return longestFirst;
  }

  String redact(String text) {
    String redacted = text;
    for (String secret : longestFirst) {
      redacted = redacted.replace(secret, HIDDEN);
    }
    return redacted;
  }

  /** How many characters at the end of the text may be the beginning of a secret. */
  int openEnd(String text) {
    int longest = 0;
    for (String secret : longestFirst) {
      for (int length = Math.min(secret.length() - 1, text.length()); length > longest; length--) {
        if (text.regionMatches(text.length() - length, secret, 0, length)) {
          longest = length;
        }
      }
    }
    return longest;
  }

  /** Every string in it, in place. */
  <T extends JsonNode> T redact(T node) {
    switch (node) {
      case ObjectNode object -> {
        for (Map.Entry<String, JsonNode> field : object.properties()) {
          if (field.getValue().isString()) {
            field.setValue(object.stringNode(redact(field.getValue().stringValue())));
          } else {
            redact(field.getValue());
          }
        }
      }
      case ArrayNode array -> {
        for (int i = 0; i < array.size(); i++) {
          JsonNode item = array.get(i);
          if (item.isString()) {
            array.set(i, array.stringNode(redact(item.stringValue())));
          } else {
            redact(item);
          }
        }
      }
      default -> {}
    }
    return node;
  }
}
