package io.turnkeeper.worker;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The values that an agent was given and that must not come back out: in events, logs, errors. */
final class Secrets {
  private static final String HIDDEN = "***";

  /**
   * From the length of a PIN on. Shorter values (flags, small numbers) would be guessed at once,
   * and blot out parts of ordinary words.
   */
  private static final int CHARS_MIN = 4;

  private static final Pattern SECRET_NAME =
      Pattern.compile(
          "(?i)key(?!board|word)|token(?!s|iz)|secret|passw|passphrase|credential|auth(?!or)|cookie"
              + "|pin$");

  /** Of a variable that says where a secret is, and not what it is. */
  private static final String PLACE = "_FILE";

  private static final Pattern URL_WITH_PASSWORD = Pattern.compile("\\w+://[^/@\\s]+:[^/@\\s]+@.*");

  private final List<String> longestFirst;

  private Secrets(Stream<String> values) {
    longestFirst =
        values
            .filter(value -> value.length() >= CHARS_MIN)
            .distinct()
            .sorted(Comparator.comparingInt(String::length).reversed())
            .toList();
  }

  /**
   * What must not be in an answer: the values of variables whose names say so, and addresses with a
   * password. The rest (a mode, a model's name) are ordinary words that an agent may well say.
   */
  static Secrets inAnswers(Map<String, String> environment) {
    return new Secrets(
        environment.entrySet().stream()
            .filter(it -> !it.getKey().endsWith(PLACE))
            .filter(it ->
                SECRET_NAME.matcher(it.getKey()).find()
                    || URL_WITH_PASSWORD.matcher(it.getValue()).matches())
            .map(Map.Entry::getValue));
  }

  /** What must not be in an error: all values, for a program that fails may print what it has. */
  static Secrets inErrors(Map<String, String> environment) {
    return new Secrets(environment.values().stream());
  }

  /** These, and one more. */
  Secrets and(@Nullable String value) {
    return value == null ? this : new Secrets(Stream.concat(values().stream(), Stream.of(value)));
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
