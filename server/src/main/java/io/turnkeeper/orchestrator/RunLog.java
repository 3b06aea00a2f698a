package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.eventlog.Append;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;

/**
 * The writer's end of one run's log: numbers events densely, hands them over in order, and holds
 * the agent back when too many are not committed yet. After the first event that could not be
 * written nothing more is: the lease is lost, or the database is.
 */
final class RunLog {
  /** Events handed over and not committed. */
  private static final int UNDERWAY_MAX = 512;

  private static final long ROOM_WAIT_SECONDS = 30;

  private final TurnWriter writer;
  private final LeaseToken lease;
  private final RunId run;
  private final Consumer<Ending> broken;
  private final Semaphore room = new Semaphore(UNDERWAY_MAX);
  private int seq;
  private volatile boolean failed;

  /**
   * @param seq of the last event that the run has
   * @param broken called once, on the writer's thread, when an event could not be written
   */
  RunLog(TurnWriter writer, LeaseToken lease, RunId run, int seq, Consumer<Ending> broken) {
    this.writer = writer;
    this.lease = lease;
    this.run = run;
    this.seq = seq;
    this.broken = broken;
  }

  /** Hands an event over; it is durable, and visible, once committed. */
  synchronized void append(String kind, JsonNode data) {
    hand(new Write.Log(next(kind, data)));
  }

  /** The same, with a change of the run between running and waiting for a person. */
  synchronized void append(String kind, JsonNode data, boolean waiting) {
    hand(new Write.Waiting(next(kind, data), waiting));
  }

  /** The run's next event, numbered but not handed over: for a write that carries more. */
  synchronized Append next(String kind, JsonNode data) {
    return new Append(lease, run, ++seq, kind, data);
  }

  /** Goes on after an outage, behind the last event that is there. */
  synchronized void restart(int lastSeq) {
    seq = lastSeq;
  }

  private void hand(Write write) {
    if (failed) {
      return;
    }
    try {
      if (!room.tryAcquire(ROOM_WAIT_SECONDS, TimeUnit.SECONDS)) {
        breakOff(new Ending.LogBroken());
        return;
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      breakOff(new Ending.LogBroken());
      return;
    }
    var unused =
        writer
            .submit(write)
            .whenComplete((written, failure) -> {
              room.release();
              if (written instanceof Written.LostLease) {
                breakOff(new Ending.LeaseLost());
              } else if (failure != null) {
                breakOff(new Ending.LogBroken());
              }
            });
  }

  private void breakOff(Ending why) {
    if (!failed) {
      failed = true;
      broken.accept(why);
    }
  }
}
