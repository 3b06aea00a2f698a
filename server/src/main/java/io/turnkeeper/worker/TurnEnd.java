package io.turnkeeper.worker;

import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** How a turn ended. */
public sealed interface TurnEnd {
  /**
   * The agent said so.
   *
   * @param stopReason end_turn, max_tokens, max_turn_requests, refusal, or one that is not known
   *     yet
   * @param usage the agent's own count of tokens, if it gave one
   */
  record Ended(String stopReason, @Nullable JsonNode usage) implements TurnEnd {}

  /** {@link Worker#cancel} was called before the end, whatever the agent answered then. */
  record Cancelled() implements TurnEnd {}

  /**
   * It broke.
   *
   * @param code worker_died, worker_killed, agent_error, protocol_broken, command_failed,
   *     command_not_found, command_not_executable, worker_start_failed, auth_required
   * @param message in words that the agent's owner can act on, without secrets
   */
  record Failed(String code, String message) implements TurnEnd {}
}
