package io.turnkeeper.tokens;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import org.jspecify.annotations.Nullable;

/**
 * What a token is for. Whether its run is still under way, under this epoch and in this attempt, is
 * for the database to say, at each use.
 *
 * @param thread the id of the run's conversation, as clients know it
 * @param run null in a token that is for no run: such a one may never write
 * @param epoch of the lease under which the run was given out
 */
public record RunScope(
    OrganizationId organization,
    AgentId agent,
    String thread,
    @Nullable RunId run,
    long epoch,
    int attempt) {}
