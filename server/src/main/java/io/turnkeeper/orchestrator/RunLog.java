package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.eventlog.Append;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The writer's end of one run's log: numbers events densely, hands them over in order, and holds
 * the agent back when too many are not committed yet. While the database is away nothing is handed
 * over; what was not committed then goes again, each under its number. After a lost lease nothing
 * more is written.
 */
final class RunLog {
  /** Events handed over and not committed. */
  private static final int OPEN_MAX = 512;

  /** For room: longer than a database may be away without the lease being lost. */
  private static final long ROOM_WAIT_SECONDS = 30;

  private static final Duration AGAIN = Duration.ofMillis(100);

  /**
   * Where a log goes on.
   *
   * @param seq of the last event that the run has
   */
  record Place(LeaseToken lease, RunId run, int seq) {}

  private final Function<Write, CompletableFuture<Written>> writer;
  private final Place at;
  private final Consumer<Ending> broken;
  private final Clock clock;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition fewer = lock.newCondition();

  /** In the order of their numbers: those handed over and not answered or failed, and the rest. */
  private final Deque<Write> sent = new ArrayDeque<>();

  private final Deque<Write> unsent = new ArrayDeque<>();
  private int underway;
  private boolean pumping;
  private boolean away;
  private boolean over;
  private int seq;

  /** The write that ends the run, once there is one, and what became of it. */
  private @Nullable Write last;

  private @Nullable Written answer;

  /**
   * @param writer writes in the order in which it is called; one that fails because the database is
   *     away has all behind it fail too
   * @param broken called at most once, when an event could not be written for good
   */
  RunLog(
      Function<Write, CompletableFuture<Written>> writer,
      Place at,
      Consumer<Ending> broken,
      Clock clock) {
    this.clock = clock;
    this.writer = writer;
    this.at = at;
    this.seq = at.seq();
    this.broken = broken;
  }

  /** Hands an event over; it is durable, and visible, once committed. */
  void append(String kind, JsonNode data) {
    hand(kind, data, null);
  }

  /** The same, with a change of the run between running and waiting for a person. */
  void append(String kind, JsonNode data, boolean waiting) {
    hand(kind, data, waiting);
  }

  /**
   * Hands the run's last event over, in a write that carries more, behind all that is not committed
   * yet; returns what became of it. Where the database is away it goes again, in its place.
   *
   * @throws LeaseGone it never will be written
   */
  Written end(String kind, JsonNode data, Function<Append, Write> write) {
    lock.lock();
    try {
      if (over) {
        throw new LeaseGone();
      }
      last = write.apply(new Append(at.lease(), at.run(), ++seq, kind, data));
      unsent.add(last);
    } finally {
      lock.unlock();
    }
    pump();
    lock.lock();
    try {
      while (!over && answer == null) {
        fewer.awaitUninterruptibly();
      }
      if (answer == null) {
        throw new LeaseGone();
      }
      return answer;
    } finally {
      lock.unlock();
    }
  }

  /** The run's next event, numbered but not handed over: for a write that carries more. */
  Append next(String kind, JsonNode data) {
    lock.lock();
    try {
      return new Append(at.lease(), at.run(), ++seq, kind, data);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits until everything handed over is committed.
   *
   * @throws LeaseGone it never will be
   */
  void awaitCommitted() {
    lock.lock();
    try {
      while (!over && !(sent.isEmpty() && unsent.isEmpty())) {
        fewer.awaitUninterruptibly();
      }
      if (over) {
        throw new LeaseGone();
      }
    } finally {
      lock.unlock();
    }
  }

  /** The lease is lost: nothing more is written, and whoever waits here goes on. */
  void abandon() {
    lock.lock();
    try {
      over = true;
      fewer.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void hand(String kind, JsonNode data, @Nullable Boolean waiting) {
    boolean room;
    lock.lock();
    try {
      room = awaitRoom();
      if (over) {
        return;
      }
      if (room) {
        Append event = new Append(at.lease(), at.run(), ++seq, kind, data);
        unsent.add(waiting == null ? new Write.Log(event) : new Write.Waiting(event, waiting));
      }
    } finally {
      lock.unlock();
    }
    if (room) {
      pump();
    } else {
      breakOff(new Ending.LogBroken());
    }
  }

  private boolean awaitRoom() {
    long left = TimeUnit.SECONDS.toNanos(ROOM_WAIT_SECONDS);
    try {
      while (!over && left > 0 && sent.size() + unsent.size() >= OPEN_MAX) {
        left = clock.await(lock, fewer, left);
      }
      return left > 0;
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Hands over what is not yet, by one thread at a time, so that the order stays. */
  private void pump() {
    while (true) {
      Write write;
      CompletableFuture<Written> handed;
      lock.lock();
      try {
        Write next = pumping || away || over ? null : unsent.poll();
        if (next == null) {
          return;
        }
        write = next;
        sent.add(next);
        underway++;
        pumping = true;
        // Under the lock: what failed before it is known here by now, or fails this one too.
        handed = writer.apply(next);
      } finally {
        lock.unlock();
      }
      var unused =
          handed.whenComplete((written, failure) -> answered(write, written, cause(failure)));
      lock.lock();
      try {
        pumping = false;
      } finally {
        lock.unlock();
      }
    }
  }

  /** A future that hangs on another one wraps what that one failed with. */
  private static @Nullable Throwable cause(@Nullable Throwable failure) {
    return failure instanceof CompletionException wrapped && wrapped.getCause() != null
        ? wrapped.getCause()
        : failure;
  }

  private void answered(Write write, @Nullable Written written, @Nullable Throwable failure) {
    Ending broke = null;
    lock.lock();
    try {
      underway--;
      if (written instanceof Written.LostLease) {
        broke = new Ending.LeaseLost();
      } else if (failure instanceof Refusal.Unavailable) {
        away = true;
      } else if (failure != null || (written instanceof Written.Superseded && write != last)) {
        broke = new Ending.LogBroken();
      } else {
        sent.remove(write);
        answer = write == last ? written : answer;
        fewer.signalAll();
      }
      if (away && underway == 0) {
        clock.after(AGAIN, this::again);
      }
    } finally {
      lock.unlock();
    }
    if (broke != null) {
      breakOff(broke);
    }
  }

  /** What was handed over and not committed comes first, as before. */
  private void again() {
    lock.lock();
    try {
      if (!away || underway > 0) {
        return;
      }
      away = false;
      while (!sent.isEmpty()) {
        unsent.addFirst(sent.removeLast());
      }
    } finally {
      lock.unlock();
    }
    pump();
  }

  private void breakOff(Ending why) {
    lock.lock();
    try {
      if (over) {
        return;
      }
      over = true;
      fewer.signalAll();
    } finally {
      lock.unlock();
    }
    broken.accept(why);
  }
}
