package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.RunId;
import java.time.Instant;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a page of runs shows, newest first. Absent parts do not filter.
 *
 * @param statuses empty is any
 * @param error the code of the error that it ended with
 * @param since not accepted before
 * @param before only older ones: the keyset cursor
 */
public record RunFilter(
    Set<RunStatus> statuses,
    @Nullable AgentId agent,
    @Nullable String error,
    @Nullable Instant since,
    @Nullable RunId before,
    int limit) {

  public RunFilter {
    statuses = Set.copyOf(statuses);
  }

  /** The page after one that ended with this run. */
  public RunFilter after(@Nullable RunId last, int pageLimit) {
    return new RunFilter(statuses, agent, error, since, last, pageLimit);
  }
}
