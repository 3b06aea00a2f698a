package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.Units;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** How commands print: answers to stdout, remarks to stderr, style only for people. */
final class Screen {
  private static final String DIM = "\u001b[2m";
  private static final String BOLD = "\u001b[1m";
  private static final String MILLIS = "_ms";
  private static final String PLAIN = "\u001b[0m";

  private final PrintStream out;
  private final PrintStream err;
  private final boolean styled;

  Screen(PrintStream out, PrintStream err, boolean styled) {
    this.out = out;
    this.err = err;
    this.styled = styled;
  }

  boolean styled() {
    return styled;
  }

  /** A piece of an answer, without an end of line. */
  void print(String text) {
    out.print(text);
    out.flush();
  }

  /** Where an answer goes that is copied as it comes. */
  PrintStream raw() {
    return out;
  }

  void line(String text) {
    out.println(text);
  }

  /** For people, beside the answer. */
  void remark(String text) {
    err.println(dim(text));
  }

  /** For people, and not to be overlooked. */
  void notice(String text) {
    err.println(text);
  }

  String dim(String text) {
    return styled ? DIM + text + PLAIN : text;
  }

  String bold(String text) {
    return styled ? BOLD + text + PLAIN : text;
  }

  void json(JsonNode node) {
    out.println(Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(node));
  }

  /** One line of JSON. */
  void jsonLine(JsonNode node) {
    out.println(Json.write(node));
  }

  /** One line per row, columns aligned. */
  void table(List<String> head, List<List<String>> rows) {
    int[] widths = new int[head.size()];
    List<List<String>> all = new ArrayList<>();
    all.add(head);
    all.addAll(rows);
    for (List<String> row : all) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    for (int r = 0; r < all.size(); r++) {
      String text = aligned(all.get(r), widths);
      line(r == 0 ? bold(text) : text);
    }
  }

  /** One line per field of the object; durations with their unit, what is nested as JSON. */
  void fields(JsonNode object) {
    Map<String, String> shown = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : object.properties()) {
      String name = field.getKey();
      JsonNode value = field.getValue();
      boolean duration = name.endsWith(MILLIS) && value.isIntegralNumber();
      shown.put(
          duration ? name.substring(0, name.length() - MILLIS.length()) : name,
          duration ? Units.show(Duration.ofMillis(value.asLong())) : text(value));
    }
    int width = shown.keySet().stream().mapToInt(String::length).max().orElse(0);
    shown.forEach(
        (name, value) -> line(bold(name + " ".repeat(width - name.length())) + "  " + value));
  }

  /**
   * A value as a person reads it: nothing for null, no quotes around text, no control characters.
   */
  static String text(JsonNode value) {
    if (value.isNull() || value.isMissingNode()) {
      return "-";
    }
    String text = value.isValueNode() ? value.asString() : Json.write(value);
    return text.replaceAll("[\\p{Cntrl}&&[^\n\t]]", "?");
  }

  /** The same on one line, at most {@code max} characters. */
  static String brief(JsonNode value, int max) {
    String text = text(value).replaceAll("\\s+", " ").strip();
    return text.length() <= max ? text : text.substring(0, max - 1) + "…";
  }

  private static String aligned(List<String> row, int[] widths) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      text.append(row.get(i));
      if (i < widths.length - 1) {
        text.repeat(' ', widths[i] - row.get(i).length() + 2);
      }
    }
    return text.toString();
  }
}
