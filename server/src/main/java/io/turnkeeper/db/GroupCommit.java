package io.turnkeeper.db;

import io.turnkeeper.base.Refusal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A writer that takes whatever has gathered since its last commit and writes it in one transaction.
 * One caller alone waits for nothing but its own commit; a thousand share an fsync.
 *
 * <p>Items are written in the order in which they were submitted. A batch that fails is written
 * again item by item, so that one bad item fails alone. When a commit's outcome is unknown, every
 * item of the batch fails with {@link Refusal.Unavailable}: the caller must not assume either
 * outcome. Where order matters, those that were handed over behind it fail too, rather than
 * overtake it.
 *
 * @param <I> what is written
 * @param <R> what the caller gets back, one per item
 */
public final class GroupCommit<I, R> implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(GroupCommit.class);

  /** Items waiting; beyond it callers wait for room. */
  private static final int WAITING_MAX = 16_384;

  /** How often one item is tried again when another transaction was in its way. */
  private static final int CLASHES_MAX = 2;

  private static final Duration ROOM_WAIT = Duration.ofSeconds(10);

  private record Waiting<I, R>(I item, CompletableFuture<R> answer) {}

  private final Db db;
  private final int batchMax;
  private final boolean ordered;
  private final BiFunction<Tx, List<I>, List<R>> write;
  private final BlockingQueue<Waiting<I, R>> waiting;
  private final Thread thread;
  private volatile boolean closing;

  /**
   * How a writer goes about it.
   *
   * @param name of its thread
   * @param batchMax most items in one transaction
   * @param ordered whether an item may be written only when all before it were, or were refused.
   *     Nobody waits for room then: who hands items over in order bounds how many it has open
   */
  public record Manner(String name, int batchMax, boolean ordered) {}

  /**
   * @param write writes the items and answers one result for each, in the same order
   */
  public GroupCommit(Db db, Manner manner, BiFunction<Tx, List<I>, List<R>> write) {
    this.db = db;
    this.batchMax = manner.batchMax();
    this.ordered = manner.ordered();
    this.write = write;
    this.waiting =
        manner.ordered() ? new LinkedBlockingQueue<>() : new ArrayBlockingQueue<>(WAITING_MAX);
    this.thread = db.writer(manner.name(), this::run);
    thread.start();
  }

  /**
   * Hands the item over. The future completes after the commit, or exceptionally when it was not
   * written.
   */
  public CompletableFuture<R> submit(I item) {
    Waiting<I, R> entry = new Waiting<>(item, new CompletableFuture<>());
    try {
      if (closing || !waiting.offer(entry, ROOM_WAIT.toMillis(), TimeUnit.MILLISECONDS)) {
        entry.answer.completeExceptionally(busy());
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      entry.answer.completeExceptionally(busy());
    }
    return entry.answer;
  }

  /**
   * Writes the item and waits for its commit.
   *
   * @throws Refusal what the write refused, or {@link Refusal.Unavailable} when the deadline passed
   *     or the outcome is unknown
   */
  public R write(I item, Duration deadline) {
    return await(submit(item), deadline);
  }

  /** Waits for a submitted item, with the same exceptions as {@link #write}. */
  public static <R> R await(CompletableFuture<R> answer, Duration deadline) {
    try {
      return answer.get(deadline.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException failed) {
      if (failed.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(failed.getCause());
    } catch (TimeoutException late) {
      throw busy();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw busy();
    }
  }

  /** Writes what has been handed over, then stops. */
  @Override
  public void close() {
    closing = true;
    thread.interrupt();
    try {
      thread.join(ROOM_WAIT);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    for (Waiting<I, R> entry : waiting) {
      entry.answer.completeExceptionally(busy());
    }
  }

  private void run() {
    List<Waiting<I, R>> batch = new ArrayList<>();
    while (true) {
      batch.clear();
      try {
        if (closing) {
          if (waiting.drainTo(batch, batchMax) == 0) {
            return;
          }
        } else {
          batch.add(waiting.take());
          waiting.drainTo(batch, batchMax - 1);
        }
      } catch (InterruptedException stopping) {
        continue;
      }
      RuntimeException away = commit(batch);
      if (away != null && ordered) {
        batch.clear();
        waiting.drainTo(batch);
        fail(batch, away);
      }
    }
  }

  private @Nullable RuntimeException commit(List<Waiting<I, R>> batch) {
    return commit(batch, CLASHES_MAX);
  }

  /** Answers why the database could not be reached, when it could not. */
  private @Nullable RuntimeException commit(List<Waiting<I, R>> batch, int clashesLeft) {
    try {
      List<I> items = batch.stream().map(Waiting::item).toList();
      List<R> answers = db.inTx(tx -> write.apply(tx, items));
      for (int i = 0; i < batch.size(); i++) {
        batch.get(i).answer.complete(answers.get(i));
      }
      return null;
    } catch (RuntimeException failed) {
      if (batch.size() > 1
          && !ConnectionLoss.is(failed)
          && !(failed instanceof Refusal.Unavailable)) {
        return oneByOne(batch);
      } else if (clashesLeft > 0 && ConnectionLoss.isClash(failed)) {
        return commit(batch, clashesLeft - 1);
      } else {
        RuntimeException told = ConnectionLoss.is(failed) ? unknown() : failed;
        if (!(told instanceof Refusal)) {
          log.warn("{}: a write failed", Thread.currentThread().getName(), failed);
        }
        fail(batch, told);
        return told instanceof Refusal.Unavailable ? told : null;
      }
    }
  }

  private @Nullable RuntimeException oneByOne(List<Waiting<I, R>> batch) {
    for (int i = 0; i < batch.size(); i++) {
      RuntimeException away = commit(batch.subList(i, i + 1));
      if (away != null && ordered) {
        fail(batch.subList(i + 1, batch.size()), away);
        return away;
      }
    }
    return null;
  }

  private static <I, R> void fail(List<Waiting<I, R>> batch, RuntimeException why) {
    batch.forEach(entry -> entry.answer.completeExceptionally(why));
  }

  private static Refusal busy() {
    return new Refusal.Unavailable(
        "database_busy", "the database did not keep up; try again", Duration.ofSeconds(1));
  }

  private static Refusal unknown() {
    return new Refusal.Unavailable(
        "outcome_unknown",
        "the connection to the database broke during the write; ask before you send it again",
        Duration.ofSeconds(1));
  }
}
