package io.turnkeeper.worker;

import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * One run as the agent sees it.
 *
 * @param attempt from 1; the agent is told
 * @param interrupted an earlier attempt of this run ended without an outcome: the agent is told in
 *     words that what it had started may be half done
 * @param input {@code {"messages":[…LangChain messages…]}}; the human messages after the last reply
 *     become the prompt
 * @param runToken what the agent's own tools may act with as this run; null when there is none. A
 *     secret
 * @param traceparent W3C trace context of the request that caused it; null when there is none
 */
public record Turn(
    String runId,
    String threadId,
    int attempt,
    boolean interrupted,
    JsonNode input,
    @Nullable String runToken,
    @Nullable String traceparent) {

  /** Without a token. */
  public Turn(
      String runId,
      String threadId,
      int attempt,
      boolean interrupted,
      JsonNode input,
      @Nullable String traceparent) {
    this(runId, threadId, attempt, interrupted, input, null, traceparent);
  }

  /** Without a token and a trace. */
  public Turn(String runId, String threadId, int attempt, boolean interrupted, JsonNode input) {
    this(runId, threadId, attempt, interrupted, input, null, null);
  }

  /** Keeps the token out of logs. */
  @Override
  public String toString() {
    return "Turn[" + runId + ", attempt " + attempt + "]";
  }
}
