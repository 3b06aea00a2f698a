package io.turnkeeper.cluster;

import java.time.Duration;

/**
 * @param ttl without a heartbeat for this long a replica is dead; it stops its own workers after
 *     two thirds of it
 * @param grace without its advisory lock for this long a replica is dead
 * @param heartbeat how often the one periodic statement is sent
 * @param address where clients reach this replica
 */
public record ClusterConfig(
    Duration ttl,
    Duration grace,
    Duration heartbeat,
    String host,
    String address,
    String version) {}
