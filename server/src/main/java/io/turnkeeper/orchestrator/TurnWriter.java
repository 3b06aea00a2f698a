package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.GroupCommit;
import io.turnkeeper.db.Tx;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.queue.Settlement;
import io.turnkeeper.queue.Started;
import io.turnkeeper.snapshot.Snapshots;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Everything that is written for runs under way goes through here, in one transaction for all that
 * has gathered: events, ends, the start of what comes next. Behind one fence: the leases are
 * checked, and locked, first. Readers are woken after the commit.
 */
final class TurnWriter implements AutoCloseable {
  private static final int BATCH_MAX = 1_000;

  private final RunQueue queue;
  private final EventLog events;
  private final Snapshots snapshots;
  private final Consumer<Long> changed;
  private final IntConsumer counted;
  private final GroupCommit<Write, Written> commits;

  /**
   * @param changed told a conversation's key after each commit that touched it
   * @param counted told how many events were written
   */
  TurnWriter(
      Db db,
      RunQueue queue,
      EventLog events,
      Snapshots snapshots,
      Consumer<Long> changed,
      IntConsumer counted) {
    this.queue = queue;
    this.events = events;
    this.snapshots = snapshots;
    this.changed = changed;
    this.counted = counted;
    this.commits =
        new GroupCommit<>(db, new GroupCommit.Manner("turn-writer", BATCH_MAX, true), this::write);
  }

  CompletableFuture<Written> submit(Write write) {
    long key = write.lease().conversation().key();
    return commits
        .submit(write)
        .whenComplete((written, failure) -> {
          if (failure == null) {
            changed.accept(key);
          }
        });
  }

  Written write(Write write, Duration deadline) {
    return GroupCommit.await(submit(write), deadline);
  }

  @Override
  public void close() {
    commits.close();
  }

  private List<Written> write(Tx tx, List<Write> writes) {
    Map<Integer, List<Write>> byReplica =
        writes.stream().collect(Collectors.groupingBy(write -> write.lease().replica()));
    Map<Write, Written> answers = new IdentityHashMap<>();
    byReplica.forEach((replica, of) -> answers.putAll(write(tx, replica, of)));
    return writes.stream()
        .map(write -> answers.getOrDefault(write, new Written.LostLease()))
        .toList();
  }

  /** One replica's writes: it is one, except around a change of its id. */
  private Map<Write, Written> write(Tx tx, int replica, List<Write> writes) {
    Set<LeaseToken> held =
        queue.lock(tx, replica, writes.stream().map(Write::lease).distinct().toList());
    List<Write> good = writes.stream().filter(write -> held.contains(write.lease())).toList();

    Map<Write, Written> answers = new IdentityHashMap<>();
    good.forEach(write -> answers.put(write, Written.Done.PLAIN));
    appendEvents(tx, replica, good);
    Set<RunId> ended = end(tx, replica, good);
    for (Write write : good) {
      boolean done =
          switch (write) {
            case Write.End end -> ended.contains(end.settlement().run());
            case Write.PutBack back ->
                queue.requeue(tx, back.lease(), back.event().run(), back.again());
            case Write.Waiting waiting ->
                queue.setWaiting(tx, waiting.lease(), waiting.event().run(), waiting.waiting());
            case Write.Facts facts ->
                queue.setFacts(
                    tx, facts.lease(), facts.run(), facts.version(), facts.restoreMode());
            case Write.Log log -> true;
            case Write.Next next -> true;
            case Write.Release release -> true;
          };
      if (!done) {
        answers.put(write, new Written.Superseded());
      }
    }
    startNext(tx, replica, good, answers);
    queue.release(
        tx,
        replica,
        good.stream()
            .filter(write -> gives(write, answers.get(write)))
            .map(Write::lease)
            .distinct()
            .toList());
    return answers;
  }

  /** Whether the lease is given back. A run that was not put back stays its holder's to end. */
  private static boolean gives(Write write, @Nullable Written answer) {
    return switch (write) {
      case Write.Release release -> true;
      case Write.PutBack back -> back.thenRelease() && answer instanceof Written.Done;
      default -> false;
    };
  }

  private void appendEvents(Tx tx, int replica, List<Write> writes) {
    List<Append> appends = new ArrayList<>();
    for (Write write : writes) {
      switch (write) {
        case Write.Log log -> appends.add(log.event());
        case Write.PutBack back -> appends.add(back.event());
        case Write.Waiting waiting -> appends.add(waiting.event());
        case Write.End end -> {}
        case Write.Next next -> {}
        case Write.Release release -> {}
        case Write.Facts facts -> {}
      }
    }
    counted.accept(events.append(tx, replica, appends));
  }

  /** The status first: only the run that this ends gets the terminal event. */
  private Set<RunId> end(Tx tx, int replica, List<Write> writes) {
    List<Write.End> ends = new ArrayList<>();
    for (Write write : writes) {
      if (write instanceof Write.End end) {
        ends.add(end);
      }
    }
    List<Settlement> settlements = ends.stream().map(Write.End::settlement).toList();
    Set<RunId> ended = queue.settle(tx, replica, settlements);
    List<Append> terminal = new ArrayList<>();
    List<RunId> restorable = new ArrayList<>();
    for (Write.End end : ends) {
      if (ended.contains(end.settlement().run())) {
        terminal.add(end.terminal());
        if (end.snapshot()) {
          restorable.add(end.settlement().run());
        }
      }
    }
    counted.accept(events.append(tx, replica, terminal));
    if (!restorable.isEmpty()) {
      snapshots.complete(tx, restorable);
    }
    return ended;
  }

  private void startNext(Tx tx, int replica, List<Write> writes, Map<Write, Written> answers) {
    Map<LeaseToken, Write> asking = new HashMap<>();
    for (Write write : writes) {
      boolean asks = write instanceof Write.Next || (write instanceof Write.End end && end.goOn());
      if (asks && answers.get(write) instanceof Written.Done) {
        asking.put(write.lease(), write);
      }
    }
    Set<LeaseToken> leases = new HashSet<>(asking.keySet());
    Started started = queue.startNext(tx, replica, List.copyOf(leases));
    asking.forEach((lease, write) ->
        answers.put(
            write, new Written.Done(started.runs().get(lease), started.blocked().contains(lease))));
  }
}
