package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.queue.Run;
import io.turnkeeper.remote.Message;
import io.turnkeeper.remote.RemoteTurn;
import io.turnkeeper.remote.Standing;
import io.turnkeeper.remote.Taken;
import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.PermissionResolved;
import io.turnkeeper.worker.Restore;
import io.turnkeeper.worker.Session;
import io.turnkeeper.worker.Turn;
import io.turnkeeper.worker.TurnEnd;
import io.turnkeeper.worker.TurnListener;
import io.turnkeeper.worker.Worker;
import io.turnkeeper.worker.WorkerFailure;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One run at a worker from elsewhere, as the holder of its lease sees it: offered, then what the
 * worker said is read in order, until its result is there or the run is taken back. What was
 * accepted of the worker is read to its end in any case.
 */
final class RemoteWorker implements Worker {
  /** No worker took the run. */
  static final String NO_WORKER = "no_worker";

  private static final Logger log = LoggerFactory.getLogger(RemoteWorker.class);
  private static final int PAGE = 500;
  private static final Duration AGAIN = Duration.ofMillis(200);

  /** Hints wake it before; this is for when they are lost. */
  private static final Duration LOOK_UP_EVERY = Duration.ofSeconds(5);

  private final RemoteDesk desk;
  private final LeaseToken lease;
  private final Run run;
  private final Taken turn;
  private final Permissions permissions;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition news = lock.newCondition();
  private final Map<String, ArrayNode> open = new HashMap<>();
  private @Nullable TurnListener listener;
  private boolean woken;
  private boolean killed;
  private boolean over;
  private long cancelledNanos;
  private boolean cancelled;
  private volatile String name = "";
  private volatile int after;

  RemoteWorker(RemoteDesk desk, LeaseToken lease, Run run, Permissions permissions) {
    this.desk = desk;
    this.lease = lease;
    this.run = run;
    this.turn = new Taken(run.id(), lease.epoch(), run.attempt());
    this.permissions = permissions;
  }

  long key() {
    return lease.conversation().key();
  }

  Run run() {
    return run;
  }

  /** What the worker that has it calls itself; "" before. */
  String name() {
    return name;
  }

  /** There may be something new. */
  void wake() {
    lock.lock();
    try {
      woken = true;
      news.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** As it stands in the database: wakes it when there is something to do. */
  void look(@Nullable Standing standing) {
    if (standing == null
        || standing.silent()
        || standing.received() > after
        || (name.isEmpty() && standing.state() != RemoteTurn.State.OFFERED)) {
      wake();
    }
  }

  /**
   * Offers the run and waits until a worker has it.
   *
   * @throws WorkerFailure with code {@link #NO_WORKER} when none took it in time
   * @throws LeaseGone the lease is lost
   */
  void offer() throws WorkerFailure, InterruptedException {
    desk.offer(lease, turn, this);
    boolean taken = false;
    try {
      while (!taken) {
        await(LOOK_UP_EVERY);
        if (isKilled()) {
          throw new WorkerFailure("worker_killed", "the run was taken back before a worker had it");
        }
        Optional<Standing> standing = standing();
        taken = standing.filter(it -> it.state() != RemoteTurn.State.OFFERED).isPresent();
        name = standing.map(Standing::worker).orElse("");
        if (!taken
            && standing.filter(Standing::silent).isPresent()
            && desk.closeSilent(lease, turn)) {
          throw new WorkerFailure(NO_WORKER, "no worker took the run in time");
        }
      }
    } finally {
      if (!taken) {
        takeBack();
      }
    }
  }

  @Override
  public TurnEnd prompt(Turn of, TurnListener told) throws InterruptedException {
    lock.lock();
    try {
      listener = told;
    } finally {
      lock.unlock();
    }
    try {
      while (true) {
        TurnEnd end = read(told);
        if (end != null) {
          return isCancelled() ? new TurnEnd.Cancelled() : end;
        }
        TurnEnd over = overdue();
        if (over != null) {
          TurnEnd late = read(told);
          return late == null ? over : late;
        }
        await(LOOK_UP_EVERY);
      }
    } finally {
      takeBack();
    }
  }

  /** Reads what there is. Answers how the turn ended, once the worker's result is among it. */
  private @Nullable TurnEnd read(TurnListener told) {
    while (true) {
      List<Message> page;
      try {
        page = desk.messages(run, after, PAGE);
      } catch (Refusal.Unavailable away) {
        log.debug("what the worker of {} said is read later", run.id(), away);
        return null;
      }
      for (Message message : page) {
        after = message.seq();
        TurnEnd end = apply(message.data(), told);
        if (end != null) {
          return end;
        }
      }
      if (page.size() < PAGE) {
        return null;
      }
    }
  }

  private @Nullable TurnEnd apply(ObjectNode data, TurnListener told) {
    switch (Messages.type(data)) {
      case Messages.RESULT -> {
        return Messages.end(data);
      }
      case Messages.PERMISSION -> ask(data, told);
      default -> told.update(Messages.update(data));
    }
    return null;
  }

  private void ask(ObjectNode data, TurnListener told) {
    var request = Messages.permission(data);
    lock.lock();
    try {
      open.put(request.id(), request.options());
    } finally {
      lock.unlock();
    }
    told.permissionRequested(request);
    if (permissions != Permissions.ASK) {
      PermissionAnswer answer =
          Messages.byPolicy(request.options(), permissions == Permissions.ALLOW);
      Answered unused = answer(request.id(), answer);
    }
  }

  /** Whether the run is to be taken back now, and how its turn ended then. */
  private @Nullable TurnEnd overdue() {
    if (isKilled()) {
      close("it was killed");
      return new TurnEnd.Failed("worker_killed", "the run was taken back from its worker");
    }
    if (isCancelled() && System.nanoTime() - cancelledNanos > desk.cancelGrace().toNanos()) {
      close("it was cancelled");
      return new TurnEnd.Cancelled();
    }
    try {
      if (standing().filter(Standing::silent).isPresent() && desk.closeSilent(lease, turn)) {
        return isCancelled()
            ? new TurnEnd.Cancelled()
            : new TurnEnd.Failed(
                "worker_died",
                "the worker " + name + " said nothing for " + ActiveRun.words(desk.deadline()));
      }
    } catch (Refusal.Unavailable away) {
      log.debug("how {} stands is looked at later", run.id(), away);
    }
    return null;
  }

  private Optional<Standing> standing() {
    return desk.standing(run)
        .filter(it -> it.epoch() == turn.epoch() && it.attempt() == turn.attempt());
  }

  private void await(Duration atMost) throws InterruptedException {
    lock.lock();
    try {
      long left = (cancelled ? AGAIN : atMost).toNanos();
      while (!woken && !killed && left > 0) {
        left = news.awaitNanos(left);
      }
      woken = false;
    } finally {
      lock.unlock();
    }
  }

  private void takeBack() {
    lock.lock();
    try {
      over = true;
      listener = null;
      open.clear();
    } finally {
      lock.unlock();
    }
    desk.remove(this);
    close("its turn is over");
  }

  private void close(String why) {
    try {
      desk.close(lease, turn);
    } catch (Refusal.Unavailable away) {
      // Whatever it still says is refused by the end of its run, or by the next epoch.
      log.debug("the place of {} is closed later, though {}", run.id(), why, away);
    }
  }

  @Override
  public Restore restored() {
    return Restore.NONE;
  }

  @Override
  public Optional<Session> session() {
    return Optional.empty();
  }

  @Override
  public void cancel() {
    lock.lock();
    try {
      if (cancelled || over) {
        return;
      }
      cancelled = true;
      cancelledNanos = System.nanoTime();
    } finally {
      lock.unlock();
    }
    Thread.ofVirtual()
        .name("cancel-" + run.id())
        .start(() -> {
          try {
            desk.cancel(lease, turn);
          } catch (Refusal.Unavailable away) {
            log.debug("the worker of {} is not told that it is cancelled", run.id(), away);
          }
          wake();
        });
  }

  @Override
  public Answered answer(String permission, PermissionAnswer answer) {
    TurnListener told;
    lock.lock();
    try {
      ArrayNode options = open.get(permission);
      told = listener;
      if (options == null || told == null) {
        return Answered.GONE;
      }
      if (answer instanceof PermissionAnswer.Selected selected
          && !Messages.offers(options, selected.optionId())) {
        return Answered.NO_SUCH_OPTION;
      }
      open.remove(permission);
    } finally {
      lock.unlock();
    }
    if (!desk.answer(lease, turn, Messages.answer(permission, answer))) {
      return Answered.GONE;
    }
    told.permissionResolved(new PermissionResolved(permission, answer));
    return Answered.DONE;
  }

  @Override
  public boolean alive() {
    lock.lock();
    try {
      return !killed && !over;
    } finally {
      lock.unlock();
    }
  }

  private boolean isKilled() {
    lock.lock();
    try {
      return killed;
    } finally {
      lock.unlock();
    }
  }

  private boolean isCancelled() {
    lock.lock();
    try {
      return cancelled;
    } finally {
      lock.unlock();
    }
  }

  /** It has none here. */
  @Override
  public long residentBytes() {
    return 0;
  }

  @Override
  public void kill() {
    lock.lock();
    try {
      killed = true;
      news.signalAll();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    kill();
  }
}
