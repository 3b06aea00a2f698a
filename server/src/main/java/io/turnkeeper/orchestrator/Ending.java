package io.turnkeeper.orchestrator;

/** Why a run under way is made to end. */
sealed interface Ending {
  /** Somebody asked for it. */
  record Cancel(String reason) implements Ending {}

  /** A deadline passed. */
  record Overdue(String code, String message) implements Ending {}

  /** The replica stops and the run did not end by its drain deadline. */
  record Drain() implements Ending {}

  /**
   * An event could not be written, though the lease may be good: what the agent does now would not
   * be seen.
   */
  record LogBroken() implements Ending {}

  /** The lease is lost, or may be: nothing more may be written, and the process must go now. */
  record LeaseLost() implements Ending {}
}
