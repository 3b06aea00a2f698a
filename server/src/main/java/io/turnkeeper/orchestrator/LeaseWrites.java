package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Refusal;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the holder of a lease reads and writes, tried again while the database is away, for as long
 * as the lease may be good. A replica that cannot reach the database gives its leases up within the
 * TTL, so that this ends.
 */
final class LeaseWrites {
  private static final Logger log = LoggerFactory.getLogger(LeaseWrites.class);
  private static final Duration DEADLINE = Duration.ofSeconds(30);

  private final TurnWriter writer;
  private final BooleanSupplier lost;
  private final Runnable losing;
  private final Runnable pause;

  /**
   * @param lost whether the lease is known to be lost
   * @param losing told when a write finds that it is
   * @param pause waits a moment, less when the lease is lost meanwhile
   */
  LeaseWrites(TurnWriter writer, BooleanSupplier lost, Runnable losing, Runnable pause) {
    this.writer = writer;
    this.lost = lost;
    this.losing = losing;
    this.pause = pause;
  }

  /**
   * Writes it; when the outcome of a try is unknown, again: each of these writes finds out whether
   * it was done.
   *
   * @throws LeaseGone the lease is lost; or the run is not under way any more, which is for {@link
   *     Remains} to look at
   */
  Written.Done write(Write write) {
    return patiently(() -> once(write));
  }

  /**
   * Writes it; a try whose outcome is unknown is left to {@link Remains}.
   *
   * @throws LeaseGone as {@link #write}
   */
  Written.Done writeOnce(Write write) {
    try {
      return once(write);
    } catch (Refusal.Unavailable unknown) {
      throw new LeaseGone();
    }
  }

  /**
   * Does what reads the database, as often as it takes.
   *
   * @throws LeaseGone the lease is lost
   */
  <T> T patiently(Supplier<T> work) {
    while (true) {
      if (lost.getAsBoolean()) {
        throw new LeaseGone();
      }
      try {
        return work.get();
      } catch (Refusal.Unavailable away) {
        log.debug("the database is away: {}", away.getMessage());
        pause.run();
      }
    }
  }

  private Written.Done once(Write write) {
    return done(writer.write(write, DEADLINE));
  }

  /**
   * What was written, or why it was not.
   *
   * @throws LeaseGone as {@link #write}
   */
  Written.Done done(Written written) {
    return switch (written) {
      case Written.Done done -> done;
      case Written.Superseded superseded -> throw new LeaseGone();
      case Written.LostLease gone -> {
        losing.run();
        throw new LeaseGone();
      }
    };
  }
}
