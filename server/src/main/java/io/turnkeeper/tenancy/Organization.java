package io.turnkeeper.tenancy;

import io.turnkeeper.base.OrganizationId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A tenant.
 *
 * @param maxRunning the most runs of it that may run at once; null is no cap
 * @param pausedAt since when none of its runs start; null when they do
 * @param pausedBy the name of the key that paused it
 */
public record Organization(
    OrganizationId id,
    String name,
    @Nullable Integer maxRunning,
    @Nullable Instant pausedAt,
    @Nullable String pausedBy,
    Instant createdAt,
    Limits limits) {}
