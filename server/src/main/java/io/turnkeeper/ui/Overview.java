package io.turnkeeper.ui;

import io.turnkeeper.cluster.ReplicaInfo;
import io.turnkeeper.queue.Activity;
import io.turnkeeper.queue.QueueDepth;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How it is, in five seconds.
 *
 * @param verdict in a few words, and {@code link} to where to look
 * @param waiting runs that wait for a person
 * @param accepted in the last hour, as {@code ended} and {@code failed}
 * @param runsChart the hour as the chart takes it
 * @param all the whole service's queue; null unless the operator looks
 * @param eventsPerSecond of the whole service; null while it is not known yet
 */
public record Overview(
    Turn.Tone tone,
    String verdict,
    String link,
    QueueDepth depth,
    long waiting,
    long accepted,
    long ended,
    long failed,
    @Nullable Double waitP50Millis,
    @Nullable Double waitP99Millis,
    String runsChart,
    String waitChart,
    List<Share> failing,
    List<Share> slowest,
    @Nullable QueueDepth all,
    @Nullable Double eventsPerSecond,
    List<ReplicaInfo> replicas) {

  /** An agent's part of the hour. */
  public record Share(String agent, long ended, long failed, double meanMillis, double maxMillis) {}

  static final int MINUTES = 60;

  /** The hour's sums. */
  static long sum(List<Activity> hour, java.util.function.ToLongFunction<Activity> of) {
    return hour.stream().mapToLong(of).sum();
  }
}
