package io.turnkeeper.tenancy;

import org.jspecify.annotations.Nullable;

/**
 * What an organization or one of its keys may have at most; null is no limit.
 *
 * @param requestsPerSecond on each replica
 * @param streams open at once on each replica
 * @param queued runs that have not started, of the organization
 * @param storedBytes of the organization's runs, events and snapshots
 */
public record Limits(
    @Nullable Integer requestsPerSecond,
    @Nullable Integer streams,
    @Nullable Integer queued,
    @Nullable Long storedBytes) {}
