package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.db.Db;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.worker.Workers;
import java.nio.file.Path;

/**
 * What a session works with.
 *
 * @param data where conversations have their places on this disk
 */
record Tools(
    Db db,
    RunQueue queue,
    EventLog events,
    Snapshots snapshots,
    Workers workers,
    Agents agents,
    TurnWriter writer,
    Meters meters,
    Path data,
    Clock clock) {}
