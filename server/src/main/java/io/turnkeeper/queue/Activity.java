package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one minute held.
 *
 * @param accepted runs that came in it
 * @param ended runs that reached a terminal status in it
 * @param waitP50Millis how long those that ended had waited for their start, from when they might
 * @param agents the same by agent
 */
public record Activity(
    Instant minute,
    long accepted,
    long ended,
    long failed,
    @Nullable Double waitP50Millis,
    @Nullable Double waitP99Millis,
    List<OfAgent> agents) {

  public Activity {
    agents = List.copyOf(agents);
  }

  /**
   * @param meanMillis from the start of a run to its end
   */
  public record OfAgent(
      OrganizationId organization,
      AgentId agent,
      long ended,
      long failed,
      double meanMillis,
      double maxMillis) {}

  /** What became of an agent's newest runs. */
  public record Record(
      AgentId agent,
      long ended,
      long completed,
      long failed,
      double p50Millis,
      double p95Millis,
      double maxMillis) {}
}
