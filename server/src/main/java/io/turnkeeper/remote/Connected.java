package io.turnkeeper.remote;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import java.util.UUID;

/**
 * A worker that said that it is there.
 *
 * @param id the same for every connection under one name
 * @param connection the one that this is about; the newest counts
 */
public record Connected(UUID id, UUID connection, OrganizationId organization, AgentId agent) {}
