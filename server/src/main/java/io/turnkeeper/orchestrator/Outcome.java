package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.transcript.TurnFold;
import io.turnkeeper.worker.TurnEnd;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
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
   * How a turn ended that ended by itself, or was made to.
   *
   * @param why it was made to end; null when it was not
   */
  static Outcome of(TurnEnd end, @Nullable Ending why) {
    return switch (end) {
      case TurnEnd.Ended ended when why == null || why instanceof Ending.Drain ->
          completed(ended.stopReason());
      case TurnEnd.Ended ended -> stopped(why);
      case TurnEnd.Cancelled cancelled -> stopped(why);
      case TurnEnd.Failed failed when why != null -> stopped(why);
      case TurnEnd.Failed failed
          when failed.code().equals("worker_died") || failed.code().equals("worker_killed") ->
          lost(failed.code(), failed.message());
      case TurnEnd.Failed failed -> failed(failed.code(), failed.message());
    };
  }

  /** How a run ended that was made to. */
  static Outcome stopped(@Nullable Ending why) {
    return switch (why) {
      case Ending.Cancel cancel ->
          new Outcome(RunStatus.CANCELLED, "cancelled", "cancelled", cancel.reason(), false);
      case Ending.Overdue overdue ->
          new Outcome(RunStatus.TIMEOUT, "timeout", overdue.code(), overdue.message(), false);
      case Ending.Drain drain -> lost("replica_stopped", "the replica stopped");
      case Ending.LogBroken broken ->
          lost("database_unavailable", "the database was away while the agent worked");
      case Ending.LeaseLost gone -> lost("replica_lost", "the replica lost the lease");
      case null -> lost("worker_died", "the worker stopped without a word");
    };
  }

  /** Whether no worker from elsewhere took the run: it was never begun. */
  boolean untaken() {
    return code.equals(RemoteWorker.NO_WORKER);
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
