package io.turnkeeper.ui;

import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.tenancy.Organization;

/** A tenant, with what of it runs and waits. */
public record TenantView(Organization organization, QueueDepth depth) {}
