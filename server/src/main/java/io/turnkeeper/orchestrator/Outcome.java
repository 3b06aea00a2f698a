package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.transcript.TurnFold;
import java.time.Duration;
import java.time.Instant;
import org.slf4j.Logger;
import tools.jackson.databind.node.ObjectNode;

/**
 * How an attempt ended.
 *
 * @param lost the worker went before there was an outcome: the agent's policy decides
 */
record Outcome(RunStatus status, String stopReason, String code, String message, boolean lost) {

  static Outcome completed(String stopReason) {
    return new Outcome(RunStatus.COMPLETED, stopReason, "", "", false);
  }

  static Outcome failed(String code, String message) {
    return new Outcome(RunStatus.FAILED, "error", code, message, false);
  }

  static Outcome lost(String code, String message) {
    return new Outcome(RunStatus.FAILED, "error", code, message, true);
  }

  /**
   * Whether the agent itself ended the turn in good order, be it with an error of its own: then it
   * knows what to make of it, and its next turn may go on from there.
   */
  boolean workerIsSound() {
    return status == RunStatus.CANCELLED || code.equals("agent_error");
  }

  ObjectNode error() {
    return Json.object().put("code", code).put("message", message);
  }

  /** The terminal event: the whole answer, not a tail. */
  ObjectNode terminal(TurnFold fold) {
    ObjectNode data = Json.object().put("status", status.word()).put("stop_reason", stopReason);
    data.set("messages", fold.messages());
    data.put("answer", fold.answer());
    if (status != RunStatus.COMPLETED) {
      data.set("error", error());
      data.set("unknown_tool_calls", fold.openToolCalls());
    }
    return data;
  }

  /**
   * Counts the run as ended, and logs its code. Not its words: those may be the agent's, and belong
   * to the run's own log.
   */
  void tell(Tools tools, Run run, Logger log) {
    Instant started = run.times().started();
    tools
        .meters()
        .runEnded(
            status.word(),
            started == null ? Duration.ZERO : Duration.between(started, tools.clock().now()));
    if (status == RunStatus.COMPLETED) {
      log.debug("the run is completed");
    } else {
      log.info("the run ended: {} ({})", status.word(), code);
    }
  }
}
