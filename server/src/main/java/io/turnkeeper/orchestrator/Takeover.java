package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.db.Tx;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Settlement;
import io.turnkeeper.transcript.TurnFold;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a dead replica leaves: its leases move to whoever noticed, epochs raised; each run that was
 * under way ends or goes back to its place, as its agent's policy says; then the leases are given
 * back for anybody to claim. All in one transaction.
 */
final class Takeover {
  private static final int EVENTS_MAX = 100_000;

  private final RunQueue queue;
  private final EventLog events;
  private final Agents agents;

  Takeover(RunQueue queue, EventLog events, Agents agents) {
    this.queue = queue;
    this.events = events;
    this.agents = agents;
  }

  /**
   * The dead replica's row is locked, and marked dead, by this transaction.
   *
   * @return the conversations concerned
   */
  List<Long> apply(Tx tx, int dead, int taker) {
    Map<LeaseToken, @Nullable Run> taken = queue.takeOver(tx, dead, taker);
    taken.forEach((lease, run) -> {
      if (run != null) {
        resolve(tx, lease, run);
      }
    });
    queue.release(tx, taker, new ArrayList<>(taken.keySet()));
    return taken.keySet().stream().map(lease -> lease.conversation().key()).toList();
  }

  private void resolve(Tx tx, LeaseToken lease, Run run) {
    List<Event> log = events.after(tx, run.organization(), run.id(), 0, EVENTS_MAX);
    TurnFold fold = new TurnFold(run.id().toString());
    boolean produced = false;
    for (Event event : log) {
      fold.apply(event.kind(), event.data());
      if (event.kind().equals(Kinds.STARTED)) {
        produced = false;
      } else if (event.kind().equals(Kinds.UPDATE)
          || event.kind().equals(Kinds.PERMISSION_REQUESTED)) {
        produced = true;
      }
    }
    int seq = log.isEmpty() ? 1 : log.getLast().seq() + 1;
    WorkerLoss decision =
        WorkerLoss.decide(onWorkerLoss(run), produced, run.attempt(), run.maxAttempts());
    switch (decision) {
      case WorkerLoss.Again again -> {
        ObjectNode data =
            Json.object()
                .put("reason", "replica_lost")
                .put("detail", "the replica that ran it is gone")
                .put("attempt", run.attempt());
        data.set("unknown_tool_calls", fold.openToolCalls());
        append(tx, new Append(lease, run.id(), seq, Kinds.INTERRUPTED, data));
        queue.requeue(tx, lease, run.id(), again.delay());
      }
      case WorkerLoss.Fail fail -> {
        Outcome outcome =
            Outcome.lost(
                "replica_lost",
                "the replica that ran it is gone; what the agent had begun may be half done");
        queue.settle(
            tx,
            lease.replica(),
            List.of(
                new Settlement(
                    lease, run.id(), RunStatus.FAILED, fold.messages(), outcome.error())));
        append(
            tx,
            new Append(
                lease, run.id(), seq, Kinds.terminal(RunStatus.FAILED), outcome.terminal(fold)));
      }
    }
  }

  private OnWorkerLoss onWorkerLoss(Run run) {
    return agents
        .current(run.organization(), run.agent())
        .map(agent -> agent.definition().onWorkerLoss())
        .orElse(OnWorkerLoss.FAIL);
  }

  private void append(Tx tx, Append event) {
    events.append(tx, event.lease().replica(), List.of(event));
  }
}
