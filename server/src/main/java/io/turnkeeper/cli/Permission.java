package io.turnkeeper.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/** A question of an agent that waits for a person. */
record Permission(String id, String title, List<Choice> choices) {
  private static final int TITLE_CHARS_MAX = 200;

  Permission {
    choices = List.copyOf(choices);
  }

  record Choice(String id, String name) {}

  /** The questions that an event shows to be open; mostly none. */
  static List<Permission> in(JsonNode data) {
    List<Permission> open = new ArrayList<>();
    for (JsonNode interrupt : data.path("__interrupt__")) {
      JsonNode value = interrupt.path("value");
      if (value.path("type").asString("").equals("permission")) {
        open.add(of(value));
      }
    }
    return open;
  }

  /** The ids of what may be answered, as usage texts write alternatives. */
  String options() {
    return choices.stream().map(Choice::id).collect(Collectors.joining("|"));
  }

  private static Permission of(JsonNode value) {
    List<Choice> choices = new ArrayList<>();
    for (JsonNode option : value.path("options")) {
      choices.add(
          new Choice(
              option.path("optionId").asString(""),
              Screen.brief(option.path("name"), TITLE_CHARS_MAX)));
    }
    return new Permission(
        value.path("permission_id").asString(""),
        Screen.brief(value.path("tool_call").path("title"), TITLE_CHARS_MAX),
        choices);
  }

  /**
   * Shows the question and gives the option that the person chose; empty when there is nobody to
   * ask.
   */
  Optional<String> put(AnswerPrinter printer, Function<String, Optional<String>> ask) {
    printer.remark("permission asked: " + title);
    for (int i = 0; i < choices.size(); i++) {
      printer.remark("  %d  %s".formatted(i + 1, choices.get(i).name()));
    }
    while (true) {
      Optional<String> answer = ask.apply("choose 1 to " + choices.size() + ": ");
      if (answer.isEmpty()) {
        return Optional.empty();
      }
      String typed = answer.get().strip();
      if (typed.matches("[0-9]{1,3}")) {
        int number = Integer.parseInt(typed);
        if (number >= 1 && number <= choices.size()) {
          return Optional.of(choices.get(number - 1).id());
        }
      }
    }
  }
}
