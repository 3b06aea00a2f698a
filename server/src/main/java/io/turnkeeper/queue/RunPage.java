package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.RunId;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Some runs, newest first.
 *
 * @param next goes on from here; null at the end
 * @param looked whether the page ended because as many were looked at as one request may, and not
 *     because it is full
 */
public record RunPage(List<Row> rows, @Nullable RunId next, boolean looked) {

  /**
   * @param asked the beginning of its message
   */
  public record Row(
      RunId id,
      String conversation,
      AgentId agent,
      long turn,
      RunStatus status,
      int attempt,
      @Nullable String errorCode,
      @Nullable String errorMessage,
      String asked,
      Run.Times times) {}

  /**
   * Runs that failed alike.
   *
   * @param sample the newest message
   * @param agents how many agents they are of
   */
  public record ErrorGroup(
      String code, long count, long agents, String sample, Instant newest, RunId newestRun) {}
}
