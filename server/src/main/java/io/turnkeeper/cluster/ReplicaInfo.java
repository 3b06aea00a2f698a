package io.turnkeeper.cluster;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A replica as the database knows it.
 *
 * @param maxLeases what it holds itself to
 * @param wantedLeases what an operator wants; null: what it was started for
 */
public record ReplicaInfo(
    int id,
    String state,
    String host,
    long pid,
    String address,
    String version,
    int maxLeases,
    @Nullable Integer wantedLeases,
    long leases,
    long heartbeatAgeMillis,
    Instant startedAt) {}
