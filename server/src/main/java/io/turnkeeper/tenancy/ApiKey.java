package io.turnkeeper.tenancy;

import io.turnkeeper.base.AgentId;
import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A key as its owner may see it again: never its secret.
 *
 * @param agent the one that a worker's key is for; null for all other roles
 * @param revokedAt null while it is valid
 * @param limits of this key alone: requests and streams
 */
public record ApiKey(
    UUID id,
    String name,
    Role role,
    @Nullable AgentId agent,
    Instant createdAt,
    @Nullable Instant revokedAt,
    Limits limits) {}
