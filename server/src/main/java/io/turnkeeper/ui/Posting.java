package io.turnkeeper.ui;

import io.turnkeeper.base.Json;
import io.turnkeeper.orchestrator.NewTurn;
import java.time.Duration;
import tools.jackson.databind.node.ObjectNode;

/** Messages that are written in the console. */
final class Posting {
  private Posting() {}

  static NewTurn turn(View view, String agent, String conversation, String text, boolean create) {
    ObjectNode input = Json.object();
    input.putArray("messages").addObject().put("type", "human").put("content", text);
    return new NewTurn(
        view.organization(),
        agent,
        conversation,
        create,
        NewTurn.Busy.ENQUEUE,
        input,
        Json.object(),
        Json.object().put("sent_by", view.caller().keyName()),
        0,
        Duration.ZERO,
        null,
        null);
  }
}
