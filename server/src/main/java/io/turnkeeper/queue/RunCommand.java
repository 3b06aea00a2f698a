package io.turnkeeper.queue;

import io.turnkeeper.base.RunId;
import tools.jackson.databind.node.ObjectNode;

/**
 * What somebody asks of a run under way: {@code cancel} with a reason, or the {@code answer} to a
 * permission request.
 *
 * @param id the same however often it is read
 */
public record RunCommand(long id, long conversationKey, RunId run, Kind kind, ObjectNode body) {
  public enum Kind {
    CANCEL,
    ANSWER;

    String word() {
      return this == CANCEL ? "cancel" : "answer";
    }
  }
}
