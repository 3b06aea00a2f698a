package io.turnkeeper.cluster;

import io.turnkeeper.db.Tx;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a replica does when its standing in the cluster changes. Called on the cluster's own
 * threads: must not block on work. To be fenced and to join never overlap; a takeover may go on
 * beside them.
 */
public interface Member {
  /** It is live under this id, and may take leases. */
  void joined(int replica);

  /**
   * It can no longer show that it lives: everything that writes or works under its leases must stop
   * before this returns.
   */
  void fenced();

  /**
   * The database has confirmed that it lives; called before {@link #joined} too.
   *
   * @param ago when what was confirmed had been sent
   */
  void confirmed(Duration ago);

  /**
   * Another replica's lock is not there: when the grace is over it may be dead. Must not wait, and
   * must change nothing.
   */
  default void mayBeGone(int replica) {}

  /**
   * Resolves what a dead replica leaves, in the transaction that marks it dead; the answer is run
   * after the commit.
   */
  Runnable takeOver(Tx tx, int dead, int taker);

  /** Another replica tells something. */
  void heard(News news);

  /** News may have been missed: look at everything. */
  void missed();

  /** The most leases that it may hold now. */
  int maxLeases();

  /**
   * An operator wants it to hold at most so many, from now on; null: as many as it was started for.
   */
  default void wanted(@Nullable Integer leases) {}
}
