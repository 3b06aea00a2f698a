package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import io.turnkeeper.deletion.Deletion;
import io.turnkeeper.deletion.Deletions;
import io.turnkeeper.deletion.Step;
import io.turnkeeper.queue.EndedRun;
import io.turnkeeper.queue.RunCommand;
import io.turnkeeper.queue.RunStatus;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Removes what is to be forgotten, from the database and from this replica's disk. Any replica goes
 * on where another left off, also one that was killed; each frees its own disk once nothing of the
 * thing is in the database.
 */
final class Removal {
  private static final Logger log = LoggerFactory.getLogger(Removal.class);
  private static final int PAGE = 100;

  /** Time that one look may take; more is done by the next, at once. */
  private static final Duration LOOK_MAX = Duration.ofMillis(500);

  private static final Duration AGAIN = Duration.ofMillis(50);
  private static final ObjectNode DELETED =
      Json.object().put("code", "cancelled").put("message", "the conversation is deleted");

  private final Tools tools;
  private final Deletions deletions;
  private final Sweeper disk;
  private final Signals signals;
  private final AtomicBoolean news = new AtomicBoolean(true);
  private final AtomicReference<Deletions.Place> newest =
      new AtomicReference<>(Deletions.Place.START);
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition pause = lock.newCondition();

  /** What is still served here though it is gone, by the number of its deletion. Of one thread. */
  private final Map<Long, Deletion> onDisk = new LinkedHashMap<>();

  private Deletions.Place freed = Deletions.Place.START;

  Removal(Tools tools, Deletions deletions, Sweeper disk, Signals signals) {
    this.tools = tools;
    this.deletions = deletions;
    this.disk = disk;
    this.signals = signals;
  }

  /** There may be something to do: {@link #tick} looks. Never waits. */
  void nudge() {
    news.set(true);
  }

  /** Hides a conversation, and removes it if that can be done soon; else it goes on later. */
  void conversation(OrganizationId organization, long key, Duration atMost)
      throws InterruptedException {
    Deletion deletion = tools.db().inTx(organization, tx -> deletions.ask(tx, organization, key));
    signals.letGo(key);
    long deadline = tools.clock().nanos() + atMost.toNanos();
    while (tools.clock().nanos() < deadline) {
      switch (step(deletion)) {
        case Step.More more -> {}
        case Step.Removed removed -> {
          nudge();
          signals.changed(key);
          return;
        }
        case Step.Elsewhere elsewhere -> await();
        case Step.Live live -> await();
        case Step.Held held -> await();
        case Step.Early early -> await();
      }
    }
    nudge();
  }

  /** Hides conversations; they are removed later. */
  void later(OrganizationId organization, List<Long> keys) {
    tools.db().useTx(organization, tx -> keys.forEach(key -> deletions.ask(tx, organization, key)));
    nudge();
  }

  /** Hides an organization; it is removed later, with all that it has. */
  void organization(OrganizationId organization) {
    tools.db().useTx(organization, tx -> deletions.ask(tx, organization));
    nudge();
  }

  /** In the transaction of the housekeeping: whether there is something for {@link #tick}. */
  void look(Tx tx) {
    Deletions.News now = deletions.news(tx);
    if (now.open() || !now.newest().equals(newest.getAndSet(now.newest()))) {
      nudge();
    }
  }

  /** Goes on with all of them for a moment; whether there is more to do at once. */
  boolean tick() {
    if (!news.getAndSet(false)) {
      return false;
    }
    long deadline = tools.clock().nanos() + LOOK_MAX.toNanos();
    boolean more = false;
    long after = 0;
    while (true) {
      long from = after;
      List<Deletion> open = tools.db().inTx(tx -> deletions.open(tx, from, PAGE));
      for (Deletion deletion : open) {
        more |= goOn(deletion, deadline);
        after = deletion.id();
      }
      if (open.size() < PAGE || tools.clock().nanos() >= deadline) {
        break;
      }
    }
    freeDisk();
    if (more || !onDisk.isEmpty()) {
      nudge();
    }
    return more;
  }

  /** Drops what nobody needs to know any more. */
  void tend() {
    tools.db().useTx(deletions::forget);
  }

  /** Steps until it has to wait, is done or the time is over; whether there is more. */
  private boolean goOn(Deletion deletion, long deadline) {
    try {
      do {
        if (!(step(deletion) instanceof Step.More)) {
          return false;
        }
      } while (tools.clock().nanos() < deadline);
      return true;
    } catch (RuntimeException failed) {
      log.warn("deletion {} cannot go on now; it is tried again", deletion.id(), failed);
      return false;
    }
  }

  private Step step(Deletion deletion) {
    OrganizationId organization = deletion.organization();
    List<Long> changed = new ArrayList<>();
    List<Long> asked = new ArrayList<>();
    Step step =
        tools
            .db()
            .inTx(
                organization,
                tx -> {
                  if (deletion.conversation() == null) {
                    stop(tx, organization, deletions.underWay(tx, organization));
                  }
                  Step taken = deletions.step(tx, deletion);
                  if (taken instanceof Step.Live live) {
                    return end(tx, organization, live) ? new Step.More() : taken;
                  }
                  return taken;
                });
    switch (step) {
      case Step.Live live -> {
        changed.add(live.conversation());
        asked.add(live.conversation());
      }
      case Step.Held held -> signals.letGo(held.conversation());
      case Step.More more -> {}
      case Step.Removed removed -> {}
      case Step.Elsewhere elsewhere -> {}
      case Step.Early early -> {}
    }
    changed.forEach(signals::changed);
    asked.forEach(signals::asked);
    return step;
  }

  /** Ends what has not started, and asks the rest to stop; whether some has ended. */
  private boolean end(Tx tx, OrganizationId organization, Step.Live live) {
    stop(tx, organization, live.underWay());
    List<EndedRun> ended =
        tools.queue().endPending(tx, live.pending(), RunStatus.CANCELLED, DELETED);
    ended.forEach(run -> Unstarted.log(tools, tx, run, RunStatus.CANCELLED, DELETED));
    return !ended.isEmpty();
  }

  private void stop(Tx tx, OrganizationId organization, List<RunId> runs) {
    ObjectNode why = Json.object().put("reason", "the conversation is deleted");
    runs.forEach(run -> tools.queue().ask(tx, organization, run, RunCommand.Kind.CANCEL, why));
  }

  /** What was removed lately, and what could not go then. */
  private void freeDisk() {
    Deletions.Place from = freed.overlapping();
    while (true) {
      Deletions.Place since = from;
      Deletions.Removed removed = tools.db().inTx(tx -> deletions.removed(tx, since, PAGE));
      removed.page().forEach(gone -> onDisk.put(gone.id(), gone));
      from = removed.next();
      if (!removed.more()) {
        break;
      }
    }
    freed = freed.later(from);
    onDisk.values().removeIf(disk::free);
    onDisk
        .values()
        .forEach(held -> {
          Long key = held.conversation();
          if (key != null) {
            signals.letGo(key);
          }
        });
  }

  private void await() throws InterruptedException {
    lock.lock();
    try {
      long ignored = tools.clock().await(lock, pause, AGAIN.toNanos());
    } finally {
      lock.unlock();
    }
  }
}
