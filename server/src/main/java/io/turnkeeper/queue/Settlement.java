package io.turnkeeper.queue;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The end of a run.
 *
 * @param status a terminal one
 * @param output the turn's messages, whole
 * @param restoreMode how the agent got its memory back; null when that is not known
 */
public record Settlement(
    LeaseToken lease,
    RunId run,
    RunStatus status,
    @Nullable JsonNode output,
    @Nullable ObjectNode error,
    @Nullable String restoreMode) {

  /** Of a run of which nobody knows how it got its memory back. */
  public Settlement(
      LeaseToken lease,
      RunId run,
      RunStatus status,
      @Nullable JsonNode output,
      @Nullable ObjectNode error) {
    this(lease, run, status, output, error, null);
  }
}
