package io.turnkeeper.cluster;

import io.turnkeeper.db.Tx;

/** The rows of the dead and of who takes over from it, held for a takeover. */
final class TakeoverLocks {
  private TakeoverLocks() {}

  /**
   * Whether both were there to be locked. In the order of ids, whoever buries whom: two that take
   * each other for dead cannot deadlock.
   */
  static boolean both(Tx tx, int dead, int taker) {
    return dead < taker ? locked(tx, dead) && held(tx, taker) : held(tx, taker) && locked(tx, dead);
  }

  private static boolean held(Tx tx, int taker) {
    return tx.query(ClusterSql.HOLD_TAKER)
        .bind("taker", taker)
        .mapTo(Integer.class)
        .findOne()
        .isPresent();
  }

  private static boolean locked(Tx tx, int dead) {
    return tx.query(ClusterSql.LOCK_REPLICA)
        .bind("dead", dead)
        .mapTo(Integer.class)
        .findOne()
        .isPresent();
  }
}
