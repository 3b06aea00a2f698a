package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.queue.Again;
import io.turnkeeper.queue.Settlement;
import org.jspecify.annotations.Nullable;

/**
 * Something that the holder of a lease wants written. Those of one lease are written in the order
 * they were handed over.
 */
sealed interface Write {
  LeaseToken lease();

  /** One event of the run under way. */
  record Log(Append event) implements Write {
    @Override
    public LeaseToken lease() {
      return event.lease();
    }
  }

  /**
   * The end of a run: status and terminal event together, and the next run's start where there is
   * one.
   *
   * @param snapshot whether the run's snapshot, if it has one, may be restored from
   * @param goOn whether to start the next run
   */
  record End(Settlement settlement, Append terminal, boolean snapshot, boolean goOn)
      implements Write {
    @Override
    public LeaseToken lease() {
      return settlement.lease();
    }
  }

  /**
   * The run goes back to its place; the event says why.
   *
   * @param thenRelease whether the lease is given back with it
   */
  record PutBack(Append event, Again again, boolean thenRelease) implements Write {
    @Override
    public LeaseToken lease() {
      return event.lease();
    }
  }

  /** Start the next run, if one may start. */
  record Next(LeaseToken lease) implements Write {}

  /** Give the lease back. */
  record Release(LeaseToken lease) implements Write {}

  /** A person is asked, or has answered. */
  record Waiting(Append event, boolean waiting) implements Write {
    @Override
    public LeaseToken lease() {
      return event.lease();
    }
  }

  /** What runs the run. */
  record Facts(LeaseToken lease, RunId run, int version, @Nullable String restoreMode)
      implements Write {}
}
