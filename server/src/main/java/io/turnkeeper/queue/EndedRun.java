package io.turnkeeper.queue;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;

/**
 * A run that ended without having been under way; its terminal event is still to be written, in the
 * same transaction.
 */
public record EndedRun(RunId run, OrganizationId organization, long conversationKey) {}
