package io.turnkeeper.orchestrator;

import io.turnkeeper.eventlog.Event;
import io.turnkeeper.queue.Run;
import io.turnkeeper.transcript.TurnFold;
import java.util.List;

/** What earlier attempts of a run have said already: its answer is folded over its whole log. */
final class EarlierAttempts {
  private static final int PAGE = 1_000;

  private EarlierAttempts() {}

  static TurnFold fold(Tools tools, Run run) {
    TurnFold fold = new TurnFold(run.id().toString());
    if (run.attempt() <= 1) {
      return fold;
    }
    int[] after = {0};
    while (true) {
      List<Event> page =
          tools
              .db()
              .inTx(
                  run.organization(),
                  tx -> tools.events().after(tx, run.organization(), run.id(), after[0], PAGE));
      page.forEach(event -> fold.apply(event.kind(), event.data()));
      if (page.size() < PAGE) {
        return fold;
      }
      after[0] = page.getLast().seq();
    }
  }
}
