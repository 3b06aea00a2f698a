package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.worker.WorkerPool;
import java.nio.file.Path;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * What a session works with.
 *
 * @param desk the runs that are at workers from elsewhere
 * @param passes what agents' own tools may act with
 * @param crowded set while every slot is taken and other conversations wait: a conversation then
 *     gives its slot back after each run, so that a tenant's long backlog delays another tenant by
 *     one run at most
 * @param capped set while conversations wait under a cap
 * @param runEnded told after the end of each run here
 * @param data where conversations have their places on this disk
 * @param runIds makes the ids of new runs
 * @param threads one for each session
 */
record Tools(
    Db db,
    RunQueue queue,
    EventLog events,
    Snapshots snapshots,
    WorkerPool workers,
    Agents agents,
    TurnWriter writer,
    RemoteDesk desk,
    Passes passes,
    Meters meters,
    AtomicBoolean crowded,
    AtomicBoolean capped,
    Runnable runEnded,
    Path data,
    Supplier<RunId> runIds,
    ThreadFactory threads,
    Clock clock) {
  /** The number of the last event that the run has; 0 when it has none. */
  int lastSeq(Run run) {
    return db.inTx(run.organization(), tx -> events.lastSeq(tx, run.organization(), run.id()));
  }
}
