package io.turnkeeper.worker;

import tools.jackson.databind.JsonNode;

/**
 * One run as the agent sees it.
 *
 * @param attempt from 1; the agent is told
 * @param interrupted an earlier attempt of this run ended without an outcome: the agent is told in
 *     words that what it had started may be half done
 * @param input {@code {"messages":[…LangChain messages…]}}; the human messages after the last reply
 *     become the prompt
 */
public record Turn(
    String runId, String threadId, int attempt, boolean interrupted, JsonNode input) {}
