package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A dead replica's leases move to whoever noticed, epochs raised, in one transaction whose length
 * does not depend on what their runs have said. Those without a run under way are given back in it;
 * the others are for {@link Remains}. When the taker dies before it has resolved them, its leases
 * move on in the same way.
 */
final class Takeover {
  private final RunQueue queue;

  Takeover(RunQueue queue) {
    this.queue = queue;
  }

  /**
   * @param given conversations that were given back
   * @param remaining leases that are now the taker's, each with a run under way
   */
  record Taken(List<Long> given, List<LeaseToken> remaining) {}

  /** The dead replica's row is locked, and marked dead, by this transaction. */
  Taken apply(Tx tx, int dead, int taker) {
    Map<LeaseToken, @Nullable Run> taken = queue.takeOver(tx, dead, taker);
    List<LeaseToken> idle = new ArrayList<>();
    List<LeaseToken> running = new ArrayList<>();
    taken.forEach((lease, run) -> (run == null ? idle : running).add(lease));
    queue.release(tx, taker, idle);
    return new Taken(idle.stream().map(lease -> lease.conversation().key()).toList(), running);
  }
}
