package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.queue.RunCommand;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Predicate;

/**
 * What was asked of runs held here. A run that was claimed a moment ago has no session yet: what
 * cannot be carried out is tried again for a while. One thread at a time.
 */
final class Errands {
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private record Open(RunCommand command, long sinceNanos) {}

  private final Clock clock;
  private final Deque<Open> open = new ArrayDeque<>();

  Errands(Clock clock) {
    this.clock = clock;
  }

  /**
   * @param carryOut false when there is nobody to carry it out, now
   */
  void carryOut(List<RunCommand> commands, Predicate<RunCommand> carryOut) {
    long now = clock.nanos();
    commands.forEach(command -> open.add(new Open(command, now)));
    open.removeIf(
        one -> carryOut.test(one.command()) || now - one.sinceNanos() > PATIENCE.toNanos());
  }
}
