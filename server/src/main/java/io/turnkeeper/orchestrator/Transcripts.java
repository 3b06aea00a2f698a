package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.queue.Run;
import io.turnkeeper.transcript.Transcript;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/** A conversation as messages: what was asked and what was answered, turn by turn. */
final class Transcripts {
  private Transcripts() {}

  /** What came before the run, as text for an agent that lost its session. */
  static String before(Tools tools, Run run) {
    List<Run> turns =
        tools
            .db()
            .inTx(
                run.organization(),
                tx ->
                    tools
                        .queue()
                        .turns(tx, run.organization(), run.conversation().key(), run.turn() - 1));
    return Transcript.asText(messages(turns));
  }

  static ArrayNode messages(List<Run> turns) {
    ArrayNode all = Json.array();
    for (Run turn : turns) {
      if (turn.times().started() == null) {
        continue;
      }
      all.addAll(Transcript.inputMessages(turn.id().toString(), turn.input()));
      if (turn.output() instanceof ArrayNode output) {
        for (JsonNode message : output) {
          all.add(message);
        }
      }
    }
    return all;
  }

  static ArrayNode upTo(Tools tools, OrganizationId organization, long key, long turn) {
    return messages(
        tools.db().inTx(organization, tx -> tools.queue().turns(tx, organization, key, turn)));
  }
}
