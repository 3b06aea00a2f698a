package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.EndedRun;
import io.turnkeeper.queue.RunStatus;
import tools.jackson.databind.node.ObjectNode;

/**
 * The one terminal event of a run that ended without a worker, in the transaction that ended it.
 */
final class Unstarted {
  private Unstarted() {}

  static void log(Tools tools, Tx tx, EndedRun run, RunStatus status, ObjectNode error) {
    ObjectNode data =
        Json.object()
            .put("status", status.word())
            .put("stop_reason", status.word())
            .put("answer", "");
    data.set("messages", Json.array());
    data.set("error", error);
    tools.events().appendUnstarted(tx, run.organization(), run.run(), Kinds.terminal(status), data);
  }
}
