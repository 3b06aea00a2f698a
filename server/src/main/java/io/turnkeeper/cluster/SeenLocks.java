package io.turnkeeper.cluster;

import java.util.HashSet;
import java.util.Set;

/**
 * Whose locks this replica has seen while it held its own on one and the same connection: only
 * these can be missed. Locks end with the database that has them.
 */
final class SeenLocks {
  /** The life of a session that holds nothing. */
  static final int NOTHING_HOLDS = 0;

  private final Set<Integer> seen = new HashSet<>();
  private int life;

  /**
   * What follows was seen in this life of the session. True when it is not the one before: then
   * everything is forgotten.
   */
  synchronized boolean begin(int now) {
    if (now == life && now != NOTHING_HOLDS) {
      return false;
    }
    life = now;
    seen.clear();
    return true;
  }

  synchronized void add(int replica) {
    if (life != NOTHING_HOLDS) {
      seen.add(replica);
    }
  }

  synchronized boolean saw(int replica) {
    return seen.contains(replica);
  }

  /** Whether it was seen, and in this life of the session. */
  synchronized boolean saw(int replica, int now) {
    return life == now && seen.contains(replica);
  }
}
