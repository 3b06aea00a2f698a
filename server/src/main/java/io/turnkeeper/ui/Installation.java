package io.turnkeeper.ui;

import io.turnkeeper.cluster.ReplicaInfo;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What operators see of the whole installation, read when they look.
 *
 * @param version of this replica's program
 * @param self this replica, while it is a member
 * @param replicas those alive, and those that ended within the hour
 * @param events written so far, by all replicas, as the database counts them
 * @param want caps a replica, by its id; false when it is not alive
 */
public record Installation(
    String version,
    Supplier<OptionalInt> self,
    Supplier<List<ReplicaInfo>> replicas,
    LongSupplier events,
    Want want) {

  /** Says how many leases a replica may hold; null: as many as it was started for. */
  @FunctionalInterface
  public interface Want {
    boolean leases(int replica, @Nullable Integer leases);
  }
}
