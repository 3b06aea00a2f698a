package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.RunId;
import org.jspecify.annotations.Nullable;

/**
 * Runs of an organization, newest first. Absent parts do not filter.
 *
 * @param before only older ones: the keyset cursor
 */
public record RunQuery(
    @Nullable RunStatus status,
    @Nullable AgentId agent,
    @Nullable String conversation,
    @Nullable RunId before,
    int limit) {}
