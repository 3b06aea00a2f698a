package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.orchestrator.NewTurn;
import io.turnkeeper.queue.NewRun.Idempotency;
import io.turnkeeper.webhook.Webhooks;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A body of {@code POST …/runs}, checked whole before anything is written.
 *
 * @param expiry how long it may wait for its turn; null for as long as it takes. Not a field of the
 *     LangGraph API
 * @param checkpoint the state that the client wants to go on from
 * @param resume the answer to what the thread's run asks; missing when this is a message
 */
record RunRequest(
    String assistant,
    ObjectNode input,
    ObjectNode options,
    ObjectNode metadata,
    Set<StreamMode> modes,
    NewTurn.Busy busy,
    boolean createThread,
    boolean cancelOnDisconnect,
    Duration delay,
    @Nullable Duration expiry,
    int priority,
    @Nullable String checkpoint,
    @Nullable JsonNode resume) {
  private static final double DELAY_MAX_SECONDS = 366.0 * 24 * 3600;
  private static final int PRIORITY_MAX = 100;
  private static final int KEY_CHARS_MAX = 255;

  /** What a graph has and an agent program does not: refused when it asks for something. */
  private static final List<String> UNSUPPORTED = List.of("interrupt_before", "interrupt_after");

  private static final List<String> SPEAKERS =
      List.of(
          "human", "user", "ai", "assistant", "system", "developer", "tool", "function", "remove");

  static RunRequest read(ObjectNode node) {
    Body body = new Body(node);
    for (String field : UNSUPPORTED) {
      JsonNode value = node.path(field);
      boolean asks =
          !value.isMissingNode() && !value.isNull() && !(value.isContainer() && value.isEmpty());
      if (asks) {
        throw new Refusal.Unsupported(
            field + "_not_supported",
            field,
            field + " is not supported: an agent runs its turn whole");
      }
    }
    Optional<String> webhook = body.string("webhook");
    webhook.ifPresent(Webhooks::parse);
    String strategy =
        body.word("multitask_strategy", "enqueue", "enqueue", "reject", "interrupt", "rollback");
    if (strategy.equals("rollback")) {
      throw new Refusal.Unsupported(
          "rollback_not_supported",
          "multitask_strategy",
          "multitask_strategy rollback is not supported yet; use enqueue, reject or interrupt");
    }
    String onDisconnect = body.word("on_disconnect", "continue", "continue", "cancel");
    body.word("on_completion", "delete", "delete", "keep", "complete", "continue");
    body.word("if_not_exists", "reject", "reject", "create");
    ObjectNode options = Json.object();
    for (String kept :
        List.of("stream_mode", "config", "context", "command", "on_completion", "on_disconnect")) {
      if (body.has(kept)) {
        options.set(kept, node.path(kept));
      }
    }
    webhook.ifPresent(url -> options.put("webhook", url));
    options.put("multitask_strategy", strategy);
    refuseWrongTypes(body);
    JsonNode resume = body.object("command").path("resume");
    boolean resumes = !resume.isMissingNode() && !resume.isNull();
    return new RunRequest(
        body.required("assistant_id"),
        resumes ? Json.object() : input(node.path("input")),
        options,
        body.object("metadata"),
        StreamMode.read(node.path("stream_mode")),
        NewTurn.Busy.valueOf(strategy.toUpperCase(java.util.Locale.ROOT)),
        body.word("if_not_exists", "reject", "reject", "create").equals("create"),
        onDisconnect.equals("cancel"),
        Duration.ofMillis((long) (body.seconds("after_seconds", DELAY_MAX_SECONDS) * 1000)),
        body.has("expires_after_seconds")
            ? Duration.ofMillis(
                (long) (body.seconds("expires_after_seconds", DELAY_MAX_SECONDS) * 1000))
            : null,
        body.integer("priority", 0, -PRIORITY_MAX, PRIORITY_MAX),
        checkpoint(body),
        resumes ? resume : null);
  }

  /** Fields that change nothing here are still what the protocol says they are. */
  private static void refuseWrongTypes(Body body) {
    body.object("config");
    body.object("context");
    body.bool("stream_subgraphs", false);
    body.bool("stream_resumable", false);
    body.bool("checkpoint_during", false);
    body.strings("feedback_keys");
    body.word("durability", "async", "sync", "async", "exit");
    for (String part : List.of("update", "goto")) {
      if (body.object("command").hasNonNull(part)) {
        throw new Refusal.Unsupported(
            "command_not_supported",
            "command." + part,
            "of a command only resume is supported: an agent has no graph to steer");
      }
    }
  }

  private static @Nullable String checkpoint(Body body) {
    Body checkpoint = new Body(body.object("checkpoint"));
    if (!checkpoint.string("checkpoint_ns").orElse("").isEmpty()) {
      throw new Refusal.Unsupported(
          "checkpoint_not_supported", "checkpoint.checkpoint_ns", "an agent has no subgraphs");
    }
    return checkpoint.string("checkpoint_id").or(() -> body.string("checkpoint_id")).orElse(null);
  }

  /**
   * @param keySuffix tells the runs of one request apart
   */
  NewTurn turn(
      OrganizationId organization, @Nullable String thread, Exchange exchange, String keySuffix) {
    ObjectNode kept = options.deepCopy();
    ObjectNode trace = kept.putObject("trace");
    trace.put("traceparent", exchange.trace().traceparent());
    return new NewTurn(
        organization,
        assistant,
        thread,
        createThread,
        busy,
        input,
        kept,
        metadata,
        priority,
        delay,
        expiry,
        idempotency(exchange, keySuffix));
  }

  private static @Nullable Idempotency idempotency(Exchange exchange, String suffix) {
    String key = exchange.header("idempotency-key").orElse("");
    if (key.isBlank()) {
      return null;
    }
    if (key.length() > KEY_CHARS_MAX) {
      throw new Refusal.Invalid(
          "idempotency_key_too_long",
          "Idempotency-Key",
          "an idempotency key has at most " + KEY_CHARS_MAX + " characters");
    }
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      // Create, stream and wait ask for the same run in three ways.
      digest.update(
          exchange
              .path()
              .replaceFirst("/(stream|wait)$", "")
              .getBytes(java.nio.charset.StandardCharsets.UTF_8));
      digest.update(exchange.bodyBytes());
      return new Idempotency(key + suffix, digest.digest());
    } catch (NoSuchAlgorithmException missing) {
      throw new IllegalStateException(missing);
    }
  }

  /** Messages as a list, whatever short form they came in; other fields are kept as they are. */
  private static ObjectNode input(JsonNode given) {
    return switch (given) {
      case ObjectNode object when object.hasNonNull("messages") -> {
        ObjectNode input = object.deepCopy();
        input.set("messages", messages(object.path("messages")));
        yield input;
      }
      case ObjectNode object when !object.isEmpty() -> {
        ObjectNode input = object.deepCopy();
        input.set("messages", Json.array().add(human(Json.write(object))));
        yield input;
      }
      case JsonNode text when text.isString() -> {
        ObjectNode input = Json.object();
        input.set("messages", Json.array().add(human(text.stringValue())));
        yield input;
      }
      case ArrayNode list -> {
        ObjectNode input = Json.object();
        input.set("messages", messages(list));
        yield input;
      }
      default ->
          throw new Refusal.Invalid(
              "input_missing",
              "input",
              "input must hold a message, such as {\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}");
    };
  }

  private static ArrayNode messages(JsonNode given) {
    if (given.isString() || given.isObject()) {
      return messages(Json.array().add(given));
    }
    if (!(given instanceof ArrayNode list) || list.isEmpty()) {
      throw new Refusal.Invalid(
          "wrong_type",
          "input.messages",
          "input.messages must be a list with at least one message");
    }
    int place = 0;
    for (JsonNode message : list) {
      boolean fits =
          message.isString()
              || (message.isObject()
                  && (message.path("content").isString()
                      || message.path("content").isArray()
                      || message.path("content").isMissingNode()));
      if (!fits) {
        throw new Refusal.Invalid(
            "wrong_type",
            "input.messages[" + place + "]",
            "a message must be a string, or an object whose content is a string or a list");
      }
      for (String word : List.of("role", "type")) {
        JsonNode said = message.path(word);
        if (!said.isMissingNode() && !SPEAKERS.contains(said.asString("?"))) {
          throw new Refusal.Invalid(
              "unknown_value",
              "input.messages[" + place + "]." + word,
              "%s of a message must be one of %s".formatted(word, String.join(", ", SPEAKERS)));
        }
      }
      place++;
    }
    return list;
  }

  private static ObjectNode human(String text) {
    return Json.object().put("type", "human").put("content", text);
  }
}
