package io.turnkeeper.tenancy;

import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A key as its owner may see it again: never its secret.
 *
 * @param revokedAt null while it is valid
 * @param limits of this key alone: requests and streams
 */
public record ApiKey(
    UUID id,
    String name,
    Role role,
    Instant createdAt,
    @Nullable Instant revokedAt,
    Limits limits) {}
