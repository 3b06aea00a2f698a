package io.turnkeeper.agents;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * An agent of an organization, with its current version.
 *
 * @param version the current one, from 1
 * @param maxRunning the most of its runs that may run at once; null is no cap
 * @param pausedAt since when none of its runs start; null when they do
 * @param pausedBy who paused it
 * @param createdAt of version 1
 * @param updatedAt of the current version
 * @param removed whether it was removed: it takes no runs, and its conversations stay readable
 */
public record Agent(
    AgentId id,
    OrganizationId organization,
    String name,
    int version,
    AgentDefinition definition,
    @Nullable Integer maxRunning,
    @Nullable Instant pausedAt,
    @Nullable String pausedBy,
    Instant createdAt,
    Instant updatedAt,
    boolean removed) {}
