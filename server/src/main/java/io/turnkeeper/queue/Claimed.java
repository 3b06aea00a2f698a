package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;

/** A lease with the run that it was taken for, already started. */
public record Claimed(LeaseToken lease, Run run) {}
