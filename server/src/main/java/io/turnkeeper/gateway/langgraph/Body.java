package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Typed reads of a request body. Every refusal names the field; null counts as absent. */
final class Body {
  private final ObjectNode node;

  Body(ObjectNode node) {
    this.node = node;
  }

  ObjectNode node() {
    return node;
  }

  boolean has(String field) {
    return node.hasNonNull(field);
  }

  JsonNode get(String field) {
    JsonNode value = node.path(field);
    return value.isNull() ? node.path("\u0000absent") : value;
  }

  Optional<String> string(String field) {
    if (!has(field)) {
      return Optional.empty();
    }
    if (!node.path(field).isString()) {
      throw new Refusal.Invalid("wrong_type", field, field + " must be a string");
    }
    return Optional.of(node.path(field).stringValue());
  }

  String required(String field) {
    return string(field)
        .orElseThrow(
            () -> new Refusal.Invalid("field_missing", field, field + " must be a string"));
  }

  ObjectNode object(String field) {
    if (!has(field)) {
      return Json.object();
    }
    if (node.path(field) instanceof ObjectNode object) {
      return object;
    }
    throw new Refusal.Invalid("wrong_type", field, field + " must be an object");
  }

  @Nullable List<String> strings(String field) {
    if (!has(field)) {
      return null;
    }
    JsonNode list = node.path(field);
    if (!list.isArray() || list.valueStream().anyMatch(item -> !item.isString())) {
      throw new Refusal.Invalid("wrong_type", field, field + " must be a list of strings");
    }
    return list.valueStream().map(JsonNode::stringValue).toList();
  }

  int integer(String field, int whenAbsent, int min, int max) {
    if (!has(field)) {
      return whenAbsent;
    }
    JsonNode value = node.path(field);
    if (!value.isIntegralNumber()
        || !value.canConvertToInt()
        || value.intValue() < min
        || value.intValue() > max) {
      throw new Refusal.Invalid(
          "out_of_range",
          field,
          "%s must be a whole number from %d to %d".formatted(field, min, max));
    }
    return value.intValue();
  }

  double seconds(String field, double max) {
    if (!has(field)) {
      return 0;
    }
    JsonNode value = node.path(field);
    if (!value.isNumber() || value.doubleValue() < 0 || value.doubleValue() > max) {
      throw new Refusal.Invalid(
          "out_of_range",
          field,
          "%s must be a number of seconds from 0 to %.0f".formatted(field, max));
    }
    return value.doubleValue();
  }

  boolean bool(String field, boolean whenAbsent) {
    if (!has(field)) {
      return whenAbsent;
    }
    if (!node.path(field).isBoolean()) {
      throw new Refusal.Invalid("wrong_type", field, field + " must be true or false");
    }
    return node.path(field).booleanValue();
  }

  /** One of some words. */
  String word(String field, String whenAbsent, String... known) {
    String word = string(field).orElse(whenAbsent);
    if (!List.of(known).contains(word)) {
      throw new Refusal.Invalid(
          "unknown_value",
          field,
          "%s must be one of %s, not %s"
              .formatted(
                  field, String.join(", ", known), Refusal.shown(word).toLowerCase(Locale.ROOT)));
    }
    return word;
  }
}
