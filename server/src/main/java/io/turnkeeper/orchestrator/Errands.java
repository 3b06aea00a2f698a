package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.queue.RunCommand;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * What was asked of runs held here. A run that was claimed a moment ago has no session yet: what
 * cannot be carried out is tried again for a while. One thread at a time.
 *
 * <p>A command stays in the database until it was carried out, so that none is lost with the answer
 * of a statement; here it is known by its id, so that none is carried out twice.
 */
final class Errands {
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private record Open(RunCommand command, long sinceNanos) {}

  private final Clock clock;
  private final Map<Long, Open> open = new LinkedHashMap<>();
  private final Set<Long> done = new LinkedHashSet<>();

  Errands(Clock clock) {
    this.clock = clock;
  }

  /** Of these no word is needed any more: to be dropped from the database. */
  List<Long> done() {
    return List.copyOf(done);
  }

  /** They are gone from the database: no statement will bring them again. */
  void dropped(List<Long> ids) {
    ids.forEach(done::remove);
  }

  /**
   * @param asked all that is asked of this replica now, whether it has heard of it before or not
   * @param carryOut false when there is nobody to carry it out, now
   */
  void carryOut(List<RunCommand> asked, Predicate<RunCommand> carryOut) {
    long now = clock.nanos();
    // What is not asked any more was done by its run's end, or is another replica's.
    open.keySet().retainAll(asked.stream().map(RunCommand::id).toList());
    for (RunCommand command : asked) {
      if (!done.contains(command.id())) {
        open.putIfAbsent(command.id(), new Open(command, now));
      }
    }
    open.values()
        .removeIf(one -> {
          boolean over =
              carryOut.test(one.command()) || now - one.sinceNanos() > PATIENCE.toNanos();
          return over && done.add(one.command().id());
        });
  }
}
