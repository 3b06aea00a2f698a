package io.turnkeeper.snapshot;

import io.turnkeeper.db.Tx;
import java.util.Optional;

/** What every write of a save starts with, in the same transaction. */
final class Fence {
  /** The lease is not good any more. */
  static final class Stale extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Stale() {
      super("the lease is no longer good", null, false, false);
    }
  }

  /** The run has one already. */
  static final class Exists extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Exists() {
      super("the run has a snapshot already", null, false, false);
    }
  }

  /** Not to be stored, for a reason that people can read. */
  static final class Refused extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refused(String why) {
      super(why, null, false, false);
    }

    String why() {
      return String.valueOf(getMessage());
    }
  }

  private Fence() {}

  /** Holds the lease until the transaction ends. */
  static void hold(Tx tx, Store.Save save) {
    Optional<Boolean> itsRun =
        tx.query(SnapshotSql.FENCE)
            .bind("replica", save.lease().replica())
            .bind("epoch", save.lease().epoch())
            .bind("organization", save.conversation().organization().value())
            .bind("key", save.conversation().key())
            .bind("run", save.run().value())
            .bind("turn", save.turn())
            .mapTo(Boolean.class)
            .findOne();
    if (itsRun.isEmpty()) {
      throw new Stale();
    }
    if (!itsRun.get()) {
      throw new Refused("the run is not this conversation's");
    }
  }
}
