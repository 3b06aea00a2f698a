package io.turnkeeper.queue;

import io.turnkeeper.base.OrganizationId;
import java.util.HashMap;
import java.util.Map;

/**
 * Tags for start-time fair queuing over organizations (Goyal, Vin and Cheng, 1996): a conversation
 * that becomes ready gets {@code max(virtual time, its organization's last tag + 1)}. Claims take
 * the smallest tag first, and the virtual time is the largest tag claimed. A tenant that queues
 * 100,000 gets tags far ahead; a tenant that queues one is next.
 *
 * <p>Kept in memory by each replica: the tags themselves are in the mailboxes, and a replica that
 * starts takes its virtual time from the smallest of those that wait. Two replicas that tag for the
 * same tenant may give the same tag, which only makes that tenant's backlog look as much smaller as
 * there are replicas.
 */
final class FairShare {
  /**
   * Organizations remembered; beyond it those behind the virtual time are forgotten, which changes
   * nothing.
   */
  private static final int REMEMBERED_MAX = 10_000;

  private final Map<OrganizationId, Long> last = new HashMap<>();
  private long virtualTime;

  synchronized long next(OrganizationId organization) {
    if (last.size() > REMEMBERED_MAX) {
      last.values().removeIf(tag -> tag <= virtualTime);
    }
    long tag = Math.max(virtualTime, last.getOrDefault(organization, 0L) + 1);
    last.put(organization, tag);
    return tag;
  }

  synchronized void claimed(long tag) {
    virtualTime = Math.max(virtualTime, tag);
  }

  synchronized long virtualTime() {
    return virtualTime;
  }
}
