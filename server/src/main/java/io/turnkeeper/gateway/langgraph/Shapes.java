package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.base.Json;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.conversation.StoredConversation.Activity;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Our records in LangGraph's words. */
final class Shapes {
  private Shapes() {}

  static ObjectNode assistant(Agent agent) {
    ObjectNode node =
        Json.object()
            .put("assistant_id", agent.id().toString())
            .put("graph_id", agent.name())
            .put("name", agent.name())
            .put("version", agent.version())
            .put("created_at", agent.createdAt().toString())
            .put("updated_at", agent.updatedAt().toString());
    node.putNull("description");
    node.putObject("config");
    node.putObject("context");
    node.putObject("metadata").put("created_by", "system");
    return node;
  }

  static ObjectNode thread(StoredConversation thread, JsonNode values, ArrayNode interrupts) {
    ObjectNode node =
        Json.object()
            .put("thread_id", thread.id())
            .put("created_at", thread.createdAt().toString())
            .put("updated_at", thread.updatedAt().toString())
            .put("state_updated_at", thread.updatedAt().toString())
            .put("status", status(thread.activity()));
    node.set("metadata", thread.metadata());
    node.putObject("config");
    node.set("values", values);
    ObjectNode open = node.putObject("interrupts");
    if (!interrupts.isEmpty()) {
      open.set("agent", interrupts);
    }
    return node;
  }

  static String status(Activity activity) {
    return switch (activity) {
      case IDLE -> "idle";
      case BUSY -> "busy";
      case WAITING -> "interrupted";
      case FAILED -> "error";
    };
  }

  static ObjectNode run(Run run) {
    Instant updated = run.times().finished();
    if (updated == null) {
      updated = run.times().started();
    }
    ObjectNode node =
        Json.object()
            .put("run_id", run.id().toString())
            .put("thread_id", run.conversation().id())
            .put("assistant_id", run.agent().toString())
            .put("created_at", run.times().created().toString())
            .put("updated_at", (updated == null ? run.times().created() : updated).toString())
            .put("status", status(run.status()))
            .put("attempt", run.attempt());
    node.set("metadata", run.metadata());
    ObjectNode kwargs = node.putObject("kwargs");
    kwargs.set("input", run.input());
    for (String kept : List.of("config", "context", "stream_mode", "command")) {
      if (run.options().has(kept)) {
        kwargs.set(kept, run.options().path(kept));
      }
    }
    node.put("multitask_strategy", run.options().path("multitask_strategy").asString("enqueue"));
    return node;
  }

  static String status(RunStatus status) {
    return switch (status) {
      case PENDING -> "pending";
      case RUNNING -> "running";
      case WAITING, CANCELLED -> "interrupted";
      case COMPLETED -> "success";
      case FAILED -> "error";
      case TIMEOUT -> "timeout";
    };
  }

  /** The statuses that a client means by a word; empty for a word that is none. */
  static Set<RunStatus> statuses(String word) {
    return switch (word) {
      case "pending" -> Set.of(RunStatus.PENDING);
      case "running" -> Set.of(RunStatus.RUNNING);
      case "interrupted" -> Set.of(RunStatus.WAITING, RunStatus.CANCELLED);
      case "success" -> Set.of(RunStatus.COMPLETED);
      case "error" -> Set.of(RunStatus.FAILED);
      case "timeout" -> Set.of(RunStatus.TIMEOUT);
      default -> Set.of();
    };
  }

  /**
   * @param at the run after which the state is; null before any
   * @param parent the run before that one
   */
  static ObjectNode state(
      StoredConversation thread,
      JsonNode values,
      @Nullable Run at,
      @Nullable Run parent,
      ArrayNode interrupts) {
    ObjectNode node = Json.object();
    node.set("values", values);
    ArrayNode next = node.putArray("next");
    ArrayNode tasks = node.putArray("tasks");
    if (!interrupts.isEmpty()) {
      next.add("agent");
      ObjectNode task =
          tasks
              .addObject()
              .put("id", at == null ? thread.id() : at.id().toString())
              .put("name", "agent");
      task.set("interrupts", interrupts);
      task.putNull("error").putNull("checkpoint").putNull("state");
    }
    node.set("checkpoint", checkpoint(thread, at));
    ObjectNode metadata = node.putObject("metadata");
    if (at != null) {
      metadata.put("run_id", at.id().toString()).put("step", at.turn()).put("source", "loop");
    }
    Instant when = at == null ? thread.createdAt() : at.times().finished();
    node.put("created_at", (when == null ? thread.updatedAt() : when).toString());
    if (parent == null) {
      node.putNull("parent_checkpoint");
    } else {
      node.set("parent_checkpoint", checkpoint(thread, parent));
    }
    return node;
  }

  private static ObjectNode checkpoint(StoredConversation thread, @Nullable Run at) {
    ObjectNode node = Json.object().put("thread_id", thread.id()).put("checkpoint_ns", "");
    if (at == null) {
      node.putNull("checkpoint_id");
    } else {
      node.put("checkpoint_id", at.id().toString());
    }
    node.putNull("checkpoint_map");
    return node;
  }

  /** What went wrong with a run, as clients read it. */
  static ObjectNode error(JsonNode error) {
    return Json.object()
        .put("error", error.path("code").asString("error"))
        .put("message", error.path("message").asString(""));
  }

  static ObjectNode values(ArrayNode messages) {
    ObjectNode values = Json.object();
    if (!messages.isEmpty()) {
      values.set("messages", messages);
    }
    return values;
  }
}
