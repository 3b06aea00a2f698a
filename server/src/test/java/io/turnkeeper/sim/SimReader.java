package io.turnkeeper.sim;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.eventlog.Event;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A client that follows a run with a cursor: now on one replica, now on another, and now and then
 * from an earlier place again. It must see each event once, in order, and never another one in its
 * place; of a run of the other tenant it must see nothing.
 */
final class SimReader {
  private final OrganizationId tenant;
  private final OrganizationId other;
  private final RunId run;
  private final Simulation simulation;
  private final List<Event> seen = new ArrayList<>();
  private boolean reads;
  private boolean over;
  private int cursor;

  /** Who was asked, and has not answered. */
  private @Nullable SimProcess at;

  SimReader(OrganizationId tenant, OrganizationId other, RunId run, Simulation simulation) {
    this.tenant = tenant;
    this.other = other;
    this.run = run;
    this.simulation = simulation;
  }

  boolean wants() {
    return !over && (!reads || at == null || at.dead);
  }

  boolean over() {
    return over;
  }

  /** Asks a replica for what comes behind the cursor. */
  void read(SimProcess process, int most) {
    reads = true;
    at = process;
    if (simulation.random(6) == 0) {
      cursor = simulation.random(seen.size() + 1);
    }
    int from = cursor;
    process
        .executor()
        .execute(() -> {
          try {
            List<Event> page = process.orchestrator.conversations().events(tenant, run, from, most);
            if (at == process) {
              take(page);
            }
            if (simulation.random(8) == 0) {
              spy(process);
            }
          } catch (Refusal.Unavailable away) {
            // It comes again, here or elsewhere, with the same cursor.
          } finally {
            if (at == process) {
              reads = false;
              at = null;
            }
          }
        });
  }

  private void take(List<Event> page) {
    for (Event event : page) {
      if (event.seq() != cursor + 1) {
        broken("after " + cursor + " came " + event.seq());
        return;
      }
      if (cursor < seen.size()) {
        if (!same(seen.get(cursor), event)) {
          broken("event " + event.seq() + " was another before");
        }
      } else {
        seen.add(event);
      }
      cursor++;
      over |= isEnd(event.kind());
    }
  }

  private static boolean isEnd(String kind) {
    return switch (kind) {
      case "run.completed", "run.failed", "run.cancelled", "run.timeout" -> true;
      default -> false;
    };
  }

  private static boolean same(Event one, Event two) {
    return one.kind().equals(two.kind()) && one.data().equals(two.data());
  }

  private void spy(SimProcess process) {
    if (process.orchestrator.conversations().run(other, run).isPresent()
        || !process.orchestrator.conversations().events(other, run, 0, 1).isEmpty()) {
      broken("another tenant sees it");
    }
  }

  /** At the end: what it saw is what there is. */
  void compare(Checker.State state) {
    Checker.Row row = state.runs().get(run.value());
    List<Checker.Entry> log = row == null ? List.of() : row.log();
    if (log.size() != seen.size()) {
      broken("it saw %d events of %d".formatted(seen.size(), log.size()));
      return;
    }
    for (int i = 0; i < log.size(); i++) {
      Event event = seen.get(i);
      if (!log.get(i).kind().equals(event.kind())
          || !Json.parse(log.get(i).data()).equals(event.data())) {
        broken("event " + event.seq() + " is another than it saw");
      }
    }
  }

  private void broken(String what) {
    simulation.checker().broken("a reader of run " + run + ": " + what);
  }

  @Override
  public String toString() {
    return "of " + run + " after " + cursor + (reads ? " at " + at : "");
  }
}
