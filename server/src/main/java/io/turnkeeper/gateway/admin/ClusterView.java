package io.turnkeeper.gateway.admin;

import io.turnkeeper.queue.QueueDepth;
import java.time.Instant;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What operators see of the whole installation, read when they ask.
 *
 * @param version of this replica's program
 * @param slots of this replica
 * @param depth over all organizations
 * @param replicas those that live, and those that ended lately
 */
public record ClusterView(
    String version,
    Supplier<HealthRoutes.Slots> slots,
    Supplier<QueueDepth> depth,
    Supplier<List<Replica>> replicas) {

  /**
   * One server process.
   *
   * @param state live, draining, stopped or dead
   * @param self whether it is the one that answers
   * @param leases conversations that it holds
   */
  public record Replica(
      int id,
      String state,
      boolean self,
      String host,
      String address,
      String version,
      long leases,
      int maxLeases,
      Instant startedAt,
      Instant heartbeatAt,
      @Nullable Instant endedAt) {}
}
