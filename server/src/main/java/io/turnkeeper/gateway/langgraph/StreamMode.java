package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Refusal;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/** What a client wants to see of a run. */
enum StreamMode {
  VALUES,
  UPDATES,
  MESSAGES,
  MESSAGES_TUPLE,
  CUSTOM,
  TOOLS,
  /** The rest is taken and carries nothing: an agent program has no such inside. */
  EVENTS,
  DEBUG,
  TASKS,
  CHECKPOINTS;

  private String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** One name, or a list of them; absent is values. */
  static Set<StreamMode> read(JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return EnumSet.of(VALUES);
    }
    if (node.isString()) {
      return EnumSet.of(of(node.stringValue()));
    }
    if (!node.isArray() || node.isEmpty()) {
      throw unknown(node.toString());
    }
    Set<StreamMode> modes = EnumSet.noneOf(StreamMode.class);
    for (JsonNode one : node) {
      modes.add(of(one.asString("")));
    }
    return modes;
  }

  /** As a query carries them: repeated, separated by commas, or as a JSON list. */
  static Set<StreamMode> read(List<String> texts) {
    Set<StreamMode> modes = EnumSet.noneOf(StreamMode.class);
    for (String text : texts) {
      for (String name : text.replaceAll("[\\[\\]\"\\s]", "").split(",")) {
        if (!name.isEmpty()) {
          modes.add(of(name));
        }
      }
    }
    return modes;
  }

  private static StreamMode of(String name) {
    return Arrays.stream(values())
        .filter(mode -> mode.word().equals(name))
        .findFirst()
        .orElseThrow(() -> unknown(name));
  }

  private static Refusal unknown(String name) {
    return new Refusal.Invalid(
        "unknown_stream_mode",
        "stream_mode",
        "stream_mode must be one or more of "
            + Arrays.stream(values()).map(StreamMode::word).collect(Collectors.joining(", "))
            + ", not "
            + Refusal.shown(name));
  }
}
