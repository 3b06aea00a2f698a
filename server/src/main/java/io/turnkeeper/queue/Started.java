package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import java.util.Map;
import java.util.Set;

/**
 * What became of leases whose next run was to start.
 *
 * @param runs those started
 * @param first of them those that were never started before: their logs are empty
 * @param blocked leases with runs of which none may start now, by a cap, a pause or a delay: to be
 *     given back, so that it is seen when one may
 */
public record Started(Map<LeaseToken, Run> runs, Set<RunId> first, Set<LeaseToken> blocked) {
  static final Started NONE = new Started(Map.of(), Set.of(), Set.of());
}
