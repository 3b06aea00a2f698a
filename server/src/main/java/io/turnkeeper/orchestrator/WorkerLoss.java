package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import java.time.Duration;

/**
 * What becomes of a run whose worker was lost before it had an outcome. An agent's turn has side
 * effects, so it is never run again unless the agent's owner said so, or it had not begun to do
 * anything.
 */
sealed interface WorkerLoss {
  /** It ends as failed. */
  record Fail() implements WorkerLoss {}

  /** It goes back to its place and is run again after the delay. */
  record Again(Duration delay) implements WorkerLoss {}

  Duration BACKOFF_FIRST = Duration.ofMillis(500);
  Duration BACKOFF_MAX = Duration.ofMinutes(1);

  /**
   * @param produced whether the agent has shown any sign of work in this attempt
   * @param attempt the one that was lost, from 1
   */
  static WorkerLoss decide(OnWorkerLoss policy, boolean produced, int attempt, int maxAttempts) {
    if (attempt >= maxAttempts || (policy == OnWorkerLoss.FAIL && produced)) {
      return new Fail();
    }
    return new Again(attempt == 1 ? Duration.ZERO : backoff(attempt - 1));
  }

  private static Duration backoff(int losses) {
    Duration delay = BACKOFF_FIRST.multipliedBy(1L << Math.min(losses, 20));
    return delay.compareTo(BACKOFF_MAX) > 0 ? BACKOFF_MAX : delay;
  }
}
