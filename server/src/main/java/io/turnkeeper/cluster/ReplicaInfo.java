package io.turnkeeper.cluster;

import java.time.Instant;

/** A replica as the database knows it. */
public record ReplicaInfo(
    int id,
    String state,
    String host,
    long pid,
    String address,
    String version,
    int maxLeases,
    long leases,
    long heartbeatAgeMillis,
    Instant startedAt) {}
