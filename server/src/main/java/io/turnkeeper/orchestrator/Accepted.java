package io.turnkeeper.orchestrator;

import io.turnkeeper.base.RunId;

/**
 * A message that is durable now.
 *
 * @param replayed its idempotency key was used for the same message before: this is that one's run
 */
public record Accepted(RunId run, boolean replayed) {}
