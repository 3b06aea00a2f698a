package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The end of a run.
 *
 * @param status a terminal one
 * @param output the turn's messages, whole
 */
public record Settlement(
    LeaseToken lease,
    RunId run,
    RunStatus status,
    @Nullable JsonNode output,
    @Nullable ObjectNode error) {}
