package io.turnkeeper.gateway.admin;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.cluster.ReplicaInfo;
import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.remote.RemoteWork;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What operators see of the whole installation, read when they ask.
 *
 * @param version of this replica's program
 * @param self this replica, while it is a member
 * @param slots of this replica
 * @param depth over all organizations
 * @param replicas those that the database knows
 * @param want caps one of them, by its id; false when it is not alive
 * @param crews the workers from elsewhere that an organization's agents have now
 */
public record ClusterView(
    String version,
    Supplier<OptionalInt> self,
    Supplier<HealthRoutes.Slots> slots,
    Supplier<QueueDepth> depth,
    Supplier<List<ReplicaInfo>> replicas,
    Want want,
    Function<OrganizationId, Map<AgentId, RemoteWork.Crew>> crews) {

  /** Says how many leases a replica may hold; null: as many as it was started for. */
  @FunctionalInterface
  public interface Want {
    boolean leases(int replica, @Nullable Integer leases);
  }
}
