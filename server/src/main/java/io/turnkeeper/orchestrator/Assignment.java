package io.turnkeeper.orchestrator;

import io.turnkeeper.queue.Run;
import io.turnkeeper.tokens.RunToken;

/**
 * A run that a worker from elsewhere was given.
 *
 * @param interrupted an earlier attempt ended without an outcome: what it had started may be half
 *     done
 * @param token what the worker acts with for this run
 */
public record Assignment(Run run, boolean interrupted, RunToken token) {}
