package io.turnkeeper.gateway.admin;

import io.turnkeeper.base.Refusal;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Fields of request and response bodies. */
final class Fields {
  private Fields() {}

  /**
   * @throws Refusal.Invalid naming the first field that is none of these
   */
  static void only(ObjectNode body, String... known) {
    Set<String> names = Set.copyOf(List.of(known));
    for (String field : body.propertyNames()) {
      if (!names.contains(field)) {
        throw new Refusal.Invalid(
            "unknown_field",
            Refusal.shown(field),
            "there is no field "
                + Refusal.shown(field)
                + " here; there is "
                + String.join(", ", known));
      }
    }
  }

  /**
   * @throws Refusal.Invalid when the field is missing or not a string
   */
  static String string(ObjectNode body, String field) {
    JsonNode node = body.path(field);
    if (!node.isString()) {
      throw new Refusal.Invalid("field_missing", field, field + " must be a string");
    }
    return node.stringValue();
  }

  /**
   * @throws Refusal.Invalid when the field is there, and not a whole number from 0
   */
  static @Nullable Integer count(ObjectNode body, String field) {
    JsonNode node = body.path(field);
    if (node.isMissingNode() || node.isNull()) {
      return null;
    }
    if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
      throw new Refusal.Invalid("out_of_range", field, field + " must be a whole number from 0");
    }
    return node.intValue();
  }

  static void put(ObjectNode node, String field, @Nullable Instant time) {
    node.put(field, time == null ? null : time.toString());
  }

  /** When it was paused and by whom, and the plain answer whether it is. */
  static void putPause(ObjectNode node, @Nullable Instant at, @Nullable String by) {
    node.put("paused", at != null);
    put(node, "paused_at", at);
    node.put("paused_by", by);
  }
}
