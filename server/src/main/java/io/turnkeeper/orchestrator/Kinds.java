package io.turnkeeper.orchestrator;

import io.turnkeeper.queue.RunStatus;

/** The kinds of events, as they stand in the log. */
final class Kinds {
  static final String STARTED = "run.started";
  static final String READY = "worker.ready";
  static final String UPDATE = "agent.update";
  static final String PERMISSION_REQUESTED = "permission.requested";
  static final String PERMISSION_RESOLVED = "permission.resolved";
  static final String WARNING = "run.warning";
  static final String INTERRUPTED = "run.interrupted";

  private Kinds() {}

  static String terminal(RunStatus status) {
    return switch (status) {
      case COMPLETED -> "run.completed";
      case FAILED -> "run.failed";
      case CANCELLED -> "run.cancelled";
      case TIMEOUT -> "run.timeout";
      case PENDING, RUNNING, WAITING ->
          throw new IllegalArgumentException(status + " is not terminal");
    };
  }
}
