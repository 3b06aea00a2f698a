package io.turnkeeper.deletion;

import io.turnkeeper.base.OrganizationId;
import org.jspecify.annotations.Nullable;

/**
 * A conversation or an organization that is to be removed.
 *
 * @param conversation its key; null when it is the whole organization
 */
public record Deletion(long id, OrganizationId organization, @Nullable Long conversation) {}
