package io.turnkeeper.cluster;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A replica as the database knows it.
 *
 * @param maxLeases what it holds itself to
 * @param wantedLeases what an operator wants; null: what it was started for
 * @param heartbeatAgeMillis until now, or until it ended: for one that died, how long it took to
 *     notice
 * @param endedAt when it left or was found dead; null while it is alive
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
    Instant startedAt,
    @Nullable Instant endedAt) {}
