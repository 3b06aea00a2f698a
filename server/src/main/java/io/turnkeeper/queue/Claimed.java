package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;

/**
 * A lease with the run that it was taken for, already started.
 *
 * @param first the run was never started before: its log is empty
 */
public record Claimed(LeaseToken lease, Run run, boolean first) {}
