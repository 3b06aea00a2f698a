package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;

/** A run under way, and the lease that it runs under, whoever holds that. */
public record Held(LeaseToken lease, Run run) {}
