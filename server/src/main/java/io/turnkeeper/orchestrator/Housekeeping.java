package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.EndedRun;
import io.turnkeeper.queue.Lifted;
import io.turnkeeper.queue.RunCommand;
import io.turnkeeper.queue.RunStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import tools.jackson.databind.node.ObjectNode;

/**
 * What time alone moves, once a second, in one transaction whose cost does not grow with the
 * conversations.
 */
final class Housekeeping {
  /** Rows moved by one step; more follow by the next, at once. */
  private static final int MOVE_MAX = 1_000;

  private final Tools tools;
  private final Consumer<Tx> looks;

  /**
   * @param looks is asked once a tick, in its transaction, whether there is something to do beside
   */
  Housekeeping(Tools tools, Consumer<Tx> looks) {
    this.tools = tools;
    this.looks = looks;
  }

  /**
   * @param ready conversations became ready to be claimed
   * @param waiting some were before
   * @param capped others wait under a cap
   * @param changed conversations that their readers should look at
   * @param commands asked of runs that this replica holds
   * @param again there is more to move
   */
  record Moved(
      boolean ready,
      boolean waiting,
      boolean capped,
      List<Long> changed,
      List<RunCommand> commands,
      boolean again) {}

  /**
   * @param done commands that need not be told again, by their ids
   */
  Moved tick(int replica, List<Long> done) {
    ObjectNode expired =
        Json.object()
            .put("code", "expired")
            .put("message", "the run did not start before it expired");
    return tools
        .db()
        .inTx(tx -> {
          boolean waiting = tools.queue().noticeVirtualTime(tx);
          Lifted lifted = tools.queue().liftHeld(tx, MOVE_MAX);
          int moved = lifted.moved() + tools.queue().promoteDelayed(tx, MOVE_MAX);
          List<Long> changed = new ArrayList<>();
          List<EndedRun> ended = tools.queue().expire(tx, MOVE_MAX, expired);
          for (EndedRun run : ended) {
            Unstarted.log(tools, tx, run, RunStatus.TIMEOUT, expired);
            changed.add(run.conversationKey());
          }
          looks.accept(tx);
          tools.queue().dropCommands(tx, done);
          List<RunCommand> commands = tools.queue().commands(tx, replica);
          return new Moved(
              moved > 0 || !ended.isEmpty(),
              waiting,
              lifted.capped(),
              changed,
              commands,
              moved >= MOVE_MAX || ended.size() == MOVE_MAX);
        });
  }
}
