package io.turnkeeper.agents;

import io.turnkeeper.agents.AgentDefinition.Kind;
import io.turnkeeper.agents.AgentDefinition.Network;
import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import io.turnkeeper.agents.AgentDefinition.Permissions;
import io.turnkeeper.agents.AgentDefinition.Reach;
import io.turnkeeper.agents.AgentDefinition.Timeouts;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Definitions as JSON, both ways. What comes in is refused unless every field is known and in
 * range.
 */
final class DefinitionJson {
  static final String HIDDEN = "***";

  private static final int COMMAND_WORDS_MAX = 256;
  private static final int COMMAND_CHARS_MAX = 32_768;
  private static final int ENV_MAX = 200;
  private static final int ENV_VALUE_CHARS_MAX = 32_768;
  private static final int STATE_MAX = 100;
  private static final int STATE_CHARS_MAX = 500;
  private static final int ATTEMPTS_MAX = 100;
  private static final int ATTEMPTS_DEFAULT = 3;
  private static final long MEMORY_MIN = 16L << 20;
  private static final long MEMORY_MAX = 1L << 40;
  private static final Duration TIMEOUT_MAX = Duration.ofDays(7);
  private static final Duration TIMEOUT_MIN = Duration.ofMillis(100);
  private static final Pattern ENV_NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]{0,127}");
  private static final Set<String> FIELDS =
      Set.of(
          "kind",
          "command",
          "env",
          "state",
          "idle_timeout_ms",
          "run_timeout_ms",
          "progress_timeout_ms",
          "start_timeout_ms",
          "permission_timeout_ms",
          "on_worker_loss",
          "permissions",
          "max_attempts",
          "network",
          "memory_bytes");

  private DefinitionJson() {}

  /**
   * @param others fields that the body may have besides a definition's
   * @param before the current version, from which variables keep their value that are sent as
   *     {@code ***}
   */
  static AgentDefinition read(
      ObjectNode body, Set<String> others, @Nullable AgentDefinition before) {
    for (String field : body.propertyNames()) {
      if (!FIELDS.contains(field) && !others.contains(field)) {
        throw new Refusal.Invalid(
            "unknown_field", Refusal.shown(field), "an agent has no field " + Refusal.shown(field));
      }
    }
    Timeouts ours = Timeouts.DEFAULT;
    Timeouts timeouts =
        new Timeouts(
            duration(body, "idle_timeout_ms", ours.idle(), Duration.ZERO),
            duration(body, "run_timeout_ms", ours.run(), TIMEOUT_MIN),
            duration(body, "progress_timeout_ms", ours.progress(), TIMEOUT_MIN),
            duration(body, "start_timeout_ms", ours.start(), TIMEOUT_MIN),
            duration(body, "permission_timeout_ms", ours.permission(), TIMEOUT_MIN));
    Kind kind = constant(body, "kind", Kind.ACP);
    return new AgentDefinition(
        kind,
        kind == Kind.REMOTE ? nothingToStart(body) : command(body),
        env(body, before),
        state(body),
        timeouts,
        constant(body, "on_worker_loss", OnWorkerLoss.FAIL),
        constant(body, "permissions", Permissions.ASK),
        (int) number(body, "max_attempts", ATTEMPTS_DEFAULT, 1, ATTEMPTS_MAX),
        new Reach(constant(body, "network", Network.HOST), memory(body)));
  }

  private static long memory(ObjectNode body) {
    JsonNode node = body.get("memory_bytes");
    return node == null || node.isNull() || node.asLong(-1) == 0
        ? 0
        : number(body, "memory_bytes", 0, MEMORY_MIN, MEMORY_MAX);
  }

  /** Stands for a value that was sealed with a key that is not here. No value can be this. */
  static final String UNREADABLE = "\0unreadable";

  private static final String ENV = "env";

  /** Replaces the stored definition's values by sealed ones. */
  static void seal(ObjectNode stored, BiFunction<String, String, ObjectNode> seal) {
    if (stored.path(ENV) instanceof ObjectNode env) {
      for (String name : List.copyOf(env.propertyNames())) {
        if (env.path(name).isString()) {
          env.set(name, seal.apply(name, env.path(name).stringValue()));
        }
      }
    }
  }

  /** The reverse. What an earlier release stored unsealed stays as it is. */
  static void open(ObjectNode stored, BiFunction<String, JsonNode, Optional<String>> open) {
    if (stored.path(ENV) instanceof ObjectNode env) {
      for (String name : List.copyOf(env.propertyNames())) {
        if (env.path(name).isObject()) {
          env.put(name, open.apply(name, env.path(name)).orElse(UNREADABLE));
        }
      }
    }
  }

  static boolean hasUnreadable(ObjectNode opened) {
    for (JsonNode value : opened.path(ENV)) {
      if (value.asString("").equals(UNREADABLE)) {
        return true;
      }
    }
    return false;
  }

  /** Whether a stored value is not sealed, or not with the current key. */
  static boolean isStale(ObjectNode stored, Predicate<JsonNode> isCurrent) {
    for (JsonNode value : stored.path(ENV)) {
      if (!value.isObject() || !isCurrent.test(value)) {
        return true;
      }
    }
    return false;
  }

  /**
   * @param envValue what becomes of each variable's value
   */
  static ObjectNode write(AgentDefinition definition, UnaryOperator<String> envValue) {
    ObjectNode node = Json.object();
    node.put("kind", wire(definition.kind()));
    definition.command().forEach(node.putArray("command")::add);
    ObjectNode env = node.putObject("env");
    new TreeMap<>(definition.env()).forEach((name, value) -> env.put(name, envValue.apply(value)));
    definition.state().forEach(node.putArray("state")::add);
    Timeouts timeouts = definition.timeouts();
    node.put("idle_timeout_ms", timeouts.idle().toMillis());
    node.put("run_timeout_ms", timeouts.run().toMillis());
    node.put("progress_timeout_ms", timeouts.progress().toMillis());
    node.put("start_timeout_ms", timeouts.start().toMillis());
    node.put("permission_timeout_ms", timeouts.permission().toMillis());
    node.put("on_worker_loss", wire(definition.onWorkerLoss()));
    node.put("permissions", wire(definition.permissions()));
    node.put("max_attempts", definition.attemptsMax());
    if (!definition.reach().equals(Reach.DEFAULT)) {
      node.put("network", wire(definition.reach().network()));
      node.put("memory_bytes", definition.reach().memoryMax());
    }
    return node;
  }

  /** A whole number, or the default when the field is absent or null. */
  static long number(ObjectNode body, String field, long whenAbsent, long min, long max) {
    JsonNode node = body.get(field);
    if (node == null || node.isNull()) {
      return whenAbsent;
    }
    if (node.isIntegralNumber() && node.canConvertToLong()) {
      long value = node.longValue();
      if (value >= min && value <= max) {
        return value;
      }
    }
    throw new Refusal.Invalid(
        "out_of_range", field, field + " must be a whole number from " + min + " to " + max);
  }

  private static Duration duration(
      ObjectNode body, String field, Duration whenAbsent, Duration min) {
    return Duration.ofMillis(
        number(body, field, whenAbsent.toMillis(), min.toMillis(), TIMEOUT_MAX.toMillis()));
  }

  private static <E extends Enum<E>> E constant(ObjectNode body, String field, E whenAbsent) {
    JsonNode node = body.get(field);
    if (node == null || node.isNull()) {
      return whenAbsent;
    }
    E[] known = whenAbsent.getDeclaringClass().getEnumConstants();
    return Arrays.stream(known)
        .filter(constant -> node.isString() && wire(constant).equals(node.stringValue()))
        .findFirst()
        .orElseThrow(() ->
            new Refusal.Invalid(
                "unknown_value",
                field,
                field
                    + " must be one of "
                    + String.join(", ", Arrays.stream(known).map(DefinitionJson::wire).toList())));
  }

  private static List<String> command(ObjectNode body) {
    List<String> command = strings(body, "command", COMMAND_WORDS_MAX);
    if (command.isEmpty() || command.getFirst().isBlank()) {
      throw new Refusal.Invalid(
          "command_missing", "command", "command must hold the program to run, then its arguments");
    }
    if (command.stream().mapToInt(String::length).sum() > COMMAND_CHARS_MAX) {
      throw new Refusal.Invalid(
          "too_long", "command", "command has more than " + COMMAND_CHARS_MAX + " characters");
    }
    return command;
  }

  /** A program that runs elsewhere has its own command, environment and files. */
  private static List<String> nothingToStart(ObjectNode body) {
    for (String field : List.of("command", "env", "state", "network", "memory_bytes")) {
      JsonNode given = body.path(field);
      if (!given.isEmpty() || given.isString() || given.isNumber()) {
        throw new Refusal.Invalid(
            "not_for_remote", field, "an agent of kind remote runs elsewhere and has no " + field);
      }
    }
    return List.of();
  }

  private static List<String> state(ObjectNode body) {
    List<String> globs = strings(body, "state", STATE_MAX);
    for (String glob : globs) {
      boolean outside = glob.startsWith("/") || List.of(glob.split("/")).contains("..");
      if (glob.isBlank() || glob.length() > STATE_CHARS_MAX || outside) {
        throw new Refusal.Invalid(
            "invalid_glob",
            "state",
            "a glob is relative to the agent's HOME and does not leave it, not "
                + Refusal.shown(glob));
      }
    }
    return globs;
  }

  private static Map<String, String> env(ObjectNode body, @Nullable AgentDefinition before) {
    JsonNode node = body.get("env");
    if (node == null || node.isNull()) {
      return Map.of();
    }
    if (!node.isObject() || node.size() > ENV_MAX) {
      throw new Refusal.Invalid(
          "invalid_env", "env", "env must be an object of at most " + ENV_MAX + " variables");
    }
    Map<String, String> env = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : node.properties()) {
      env.put(entry.getKey(), variable(entry.getKey(), entry.getValue(), before));
    }
    return env;
  }

  private static String variable(String name, JsonNode value, @Nullable AgentDefinition before) {
    String field = "env." + Refusal.shown(name);
    if (!ENV_NAME.matcher(name).matches()) {
      throw new Refusal.Invalid(
          "invalid_env",
          field,
          "a variable's name is letters, digits and '_', not " + Refusal.shown(name));
    }
    if (name.equals("HOME")) {
      throw new Refusal.Invalid(
          "invalid_env", field, "HOME is each conversation's own and cannot be set");
    }
    if (!value.isString() || value.stringValue().length() > ENV_VALUE_CHARS_MAX) {
      throw new Refusal.Invalid(
          "invalid_env",
          field,
          "a variable's value is a string of at most " + ENV_VALUE_CHARS_MAX + " characters");
    }
    if (!value.stringValue().equals(HIDDEN)) {
      return value.stringValue();
    }
    String kept = before == null ? null : before.env().get(name);
    if (kept == null || kept.equals(UNREADABLE)) {
      throw new Refusal.Invalid(
          "invalid_env", field, "*** keeps a variable's value, and the current version has none");
    }
    return kept;
  }

  private static List<String> strings(ObjectNode body, String field, int max) {
    JsonNode node = body.get(field);
    if (node == null || node.isNull()) {
      return List.of();
    }
    List<String> strings = new ArrayList<>();
    if (node.isArray() && node.size() <= max) {
      for (JsonNode item : node) {
        if (item.isString()) {
          strings.add(item.stringValue());
        }
      }
    }
    if (!node.isArray() || strings.size() != node.size()) {
      throw new Refusal.Invalid(
          "invalid_list", field, field + " must be a list of at most " + max + " strings");
    }
    return strings;
  }

  private static String wire(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }
}
