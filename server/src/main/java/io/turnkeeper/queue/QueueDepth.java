package io.turnkeeper.queue;

/**
 * How much waits, over all tenants. Conversations by state, and the runs that are pending in them.
 *
 * @param oldestReadySeconds since when the longest waiting ready conversation waits
 */
public record QueueDepth(
    long ready,
    long delayed,
    long capped,
    long paused,
    long leased,
    long running,
    long pendingRuns,
    double oldestReadySeconds) {}
