package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/** What a client means when it resumes a run that asks for a permission. */
final class Permissions {
  /**
   * @param option null for no answer at all
   */
  record Answer(String permission, @Nullable String option) {}

  private Permissions() {}

  /** One answer to the first question, or one to each that {@code resume} names by its id. */
  static List<Answer> answers(ArrayNode interrupts, JsonNode resume) {
    List<Answer> answers = new ArrayList<>();
    for (JsonNode interrupt : interrupts) {
      JsonNode own = resume.path(interrupt.path("id").asString(""));
      if (!own.isMissingNode()) {
        answers.add(answer(Json.array().add(interrupt), own));
      }
    }
    return answers.isEmpty() ? List.of(answer(interrupts, resume)) : answers;
  }

  /**
   * @param interrupts what the run asks
   * @param resume an option's id; true or false; {@code {"option_id": …}}; or a decision such as
   *     {@code {"type": "approve"}}
   */
  private static Answer answer(ArrayNode interrupts, JsonNode resume) {
    JsonNode asked = interrupts.path(0).path("value");
    String permission = asked.path("permission_id").asString("");
    JsonNode options = asked.path("options");
    JsonNode said = resume;
    if (said.isArray() && !said.isEmpty()) {
      said = said.path(0);
    }
    if (said.path("decisions").isArray()) {
      said = said.path("decisions").path(0);
    }
    String option = said.path("option_id").asString("");
    if (!option.isEmpty()) {
      return new Answer(permission, option);
    }
    if (said.isBoolean()) {
      return new Answer(permission, kind(options, said.booleanValue()));
    }
    String word = said.isString() ? said.stringValue() : said.path("type").asString("");
    for (JsonNode offered : options) {
      if (offered.path("optionId").asString("").equals(word)) {
        return new Answer(permission, word);
      }
    }
    return switch (word.toLowerCase(Locale.ROOT)) {
      case "approve", "accept", "allow", "yes", "y" -> new Answer(permission, kind(options, true));
      case "reject", "deny", "no", "n" -> new Answer(permission, kind(options, false));
      case "cancel", "ignore" -> new Answer(permission, null);
      default ->
          throw new Refusal.Invalid(
              "unknown_answer",
              "command.resume",
              "resume must be an option's id, true, false, or a decision to approve or reject");
    };
  }

  /** The option that says yes or no, for this once where it can. */
  private static @Nullable String kind(JsonNode options, boolean yes) {
    String prefix = yes ? "allow" : "reject";
    for (String suffix : new String[] {"_once", "_always"}) {
      for (JsonNode offered : options) {
        if (offered.path("kind").asString("").equals(prefix + suffix)) {
          return offered.path("optionId").asString("");
        }
      }
    }
    return null;
  }
}
