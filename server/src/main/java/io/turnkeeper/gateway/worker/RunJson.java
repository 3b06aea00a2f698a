package io.turnkeeper.gateway.worker;

import io.turnkeeper.base.Json;
import io.turnkeeper.orchestrator.Assignment;
import io.turnkeeper.orchestrator.WorkerPort;
import io.turnkeeper.queue.Run;
import io.turnkeeper.tokens.RunToken;
import java.time.Duration;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Runs as their workers see them. */
final class RunJson {
  private RunJson() {}

  static ObjectNode of(Assignment assignment, Duration deadline) {
    Run run = assignment.run();
    ObjectNode node =
        Json.object()
            .put("run_id", run.id().toString())
            .put("thread_id", run.conversation().id())
            .put("turn", run.turn())
            .put("attempt", run.attempt())
            .put("interrupted", assignment.interrupted());
    node.set("input", run.input());
    node.set("metadata", run.metadata());
    String trace = run.options().path("trace").path("traceparent").asString("");
    if (!trace.isEmpty()) {
      node.put("traceparent", trace);
    }
    return token(node, assignment.token(), deadline);
  }

  static ObjectNode of(WorkerPort.Beat beat, Duration deadline) {
    ObjectNode node = Json.object().put("cancel", beat.cancel());
    ObjectNode input = node.putObject("input");
    input.set("answers", beat.answers());
    ArrayNode pending = input.putArray("pending");
    for (Run run : beat.pending()) {
      pending.addObject().put("run_id", run.id().toString()).set("input", run.input());
    }
    return token(node, beat.token(), deadline);
  }

  private static ObjectNode token(ObjectNode node, RunToken token, Duration deadline) {
    return node.put("token", token.text())
        .put("token_expires_at", token.expiresAt().toString())
        .put("deadline_ms", deadline.toMillis());
  }
}
