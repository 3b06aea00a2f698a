package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;
import java.util.Map;
import java.util.Set;

/**
 * What became of leases whose next run was to start.
 *
 * @param runs those started
 * @param blocked leases with runs of which none may start now, by a cap, a pause or a delay: to be
 *     given back, so that it is seen when one may
 */
public record Started(Map<LeaseToken, Run> runs, Set<LeaseToken> blocked) {
  static final Started NONE = new Started(Map.of(), Set.of());
}
