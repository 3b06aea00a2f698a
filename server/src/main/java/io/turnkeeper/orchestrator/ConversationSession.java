package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.queue.Again;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Settlement;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.transcript.TurnFold;
import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.TurnEnd;
import io.turnkeeper.worker.Worker;
import io.turnkeeper.worker.WorkerFailure;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One lease, from its claim until it is given back: the runs of one conversation, one after the
 * other, on one worker. Its thread blocks; others reach it through {@link #end}, {@link #answer},
 * {@link #wake} and {@link #letGo}.
 *
 * <p>Order at the end: the worker's processes are gone before the lease is given back.
 */
final class ConversationSession {
  private static final Logger log = LoggerFactory.getLogger(ConversationSession.class);
  private static final Duration RETRY_EVERY = Duration.ofMillis(200);
  private static final Duration LOOK_UP_EVERY = Duration.ofSeconds(1);

  private enum Phase {
    BETWEEN,
    /** A run is under way, and its worker is not being started yet. */
    PREPARING,
    /** The one phase in which an interrupt reaches only the worker's start. */
    STARTING,
    PROMPTING,
    ENDING
  }

  private final Tools tools;
  private final LeaseToken lease;
  private final WorkerHost host;
  private final LeaseWrites writes;
  private final Remains remains;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition news = lock.newCondition();
  private final Thread thread;
  private Phase phase = Phase.BETWEEN;
  private @Nullable ActiveRun active;
  private @Nullable Ending ending;
  private boolean woken;
  private boolean lettingGo;
  private boolean lost;
  private long idleSinceNanos;
  private boolean idle;

  ConversationSession(
      Tools tools, Remains remains, Claimed claimed, Consumer<ConversationSession> ended) {
    this.tools = tools;
    this.remains = remains;
    this.lease = claimed.lease();
    this.writes =
        new LeaseWrites(
            tools.writer(), this::isLost, () -> end(null, new Ending.LeaseLost()), this::pause);
    this.host = new WorkerHost(tools, lease, this::starting, writes);
    this.thread =
        tools
            .threads()
            .newThread(() -> {
              try {
                serve(claimed.run());
              } finally {
                ended.accept(this);
              }
            });
    thread.setName("conversation-" + lease.conversation().key());
  }

  void start() {
    thread.start();
  }

  LeaseToken lease() {
    return lease;
  }

  /** There may be a new run. */
  void wake() {
    lock.lock();
    try {
      woken = true;
      news.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Give the lease back as soon as no run is under way; a run under way goes on. */
  void letGo() {
    lock.lock();
    try {
      lettingGo = true;
      news.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Since when a warm worker waits here for work; empty when it does not. */
  OptionalLong idleSince() {
    lock.lock();
    try {
      return idle && !lettingGo ? OptionalLong.of(idleSinceNanos) : OptionalLong.empty();
    } finally {
      lock.unlock();
    }
  }

  long residentBytes() {
    return host.residentBytes();
  }

  /** The run under way, if any. */
  Optional<RunId> current() {
    lock.lock();
    try {
      ActiveRun now = active;
      return now == null ? Optional.empty() : Optional.of(now.run().id());
    } finally {
      lock.unlock();
    }
  }

  /**
   * Makes the run under way end; the first reason counts, except that a lost lease overrides all.
   * False when it is not this run that is under way.
   *
   * @param run null for whichever it is
   */
  boolean end(@Nullable RunId run, Ending why) {
    if (why instanceof Ending.LeaseLost) {
      lose();
      host.kill();
      return true;
    }
    lock.lock();
    try {
      ActiveRun now = active;
      if (now == null || (run != null && !now.run().id().equals(run))) {
        return false;
      }
      if (ending == null && phase != Phase.ENDING) {
        ending = why;
        switch (phase) {
          case STARTING -> thread.interrupt();
          case PROMPTING -> {
            if (why instanceof Ending.Cancel || why instanceof Ending.Overdue) {
              host.cancel();
            } else {
              host.kill();
            }
          }
          case BETWEEN, PREPARING, ENDING -> {}
        }
      }
      return true;
    } finally {
      lock.unlock();
    }
  }

  /**
   * The lease is lost: nothing more is written, and no worker starts any more. One that is there is
   * the caller's to kill.
   */
  void lose() {
    lock.lock();
    try {
      lost = true;
      ending = new Ending.LeaseLost();
      host.doom();
      if (active != null) {
        active.log().abandon();
      }
      if (phase == Phase.STARTING) {
        thread.interrupt();
      }
      news.signalAll();
    } finally {
      lock.unlock();
    }
  }

  Worker.Answered answer(RunId run, String permission, PermissionAnswer answer) {
    ActiveRun now;
    lock.lock();
    try {
      now = active;
    } finally {
      lock.unlock();
    }
    return now == null || !now.run().id().equals(run)
        ? Worker.Answered.GONE
        : host.answer(permission, answer);
  }

  /**
   * An event of the run's own, by one of its agent's tools; durable when this returns. False when
   * it is not this attempt of this run that the agent works on.
   *
   * @throws LeaseGone it never will be durable
   */
  boolean custom(RunId run, int attempt, ObjectNode update) {
    ActiveRun now;
    lock.lock();
    try {
      now = phase == Phase.PROMPTING ? active : null;
    } finally {
      lock.unlock();
    }
    if (now == null || !now.run().id().equals(run) || now.run().attempt() != attempt) {
      return false;
    }
    now.update(update);
    now.log().awaitCommitted();
    return true;
  }

  /** Looks at the clocks. Called a few times a second; writes nothing. */
  void check(long nanos) {
    ActiveRun now;
    lock.lock();
    try {
      now = phase == Phase.PROMPTING && ending == null ? active : null;
    } finally {
      lock.unlock();
    }
    if (now == null) {
      return;
    }
    host.renewPass(nanos);
    switch (now.overdue(nanos)) {
      case ActiveRun.Overdue.Permissions open ->
          open.ids().forEach(id -> host.answer(id, new PermissionAnswer.Cancelled("expiry")));
      case ActiveRun.Overdue.Run run ->
          end(
              now.run().id(),
              new Ending.Overdue(
                  "run_timeout", "the run did not end within " + ActiveRun.words(run.after())));
      case ActiveRun.Overdue.Progress progress ->
          end(
              now.run().id(),
              new Ending.Overdue(
                  "progress_timeout",
                  "the agent showed no progress for " + ActiveRun.words(progress.after())));
      case null -> {}
    }
  }

  private void serve(Run first) {
    boolean clean = false;
    LeaseFields.set(lease);
    try {
      @Nullable Run run = first;
      while (run != null) {
        run = turn(run);
        if (run == null) {
          run = awaitNext();
        }
      }
      clean = true;
    } catch (LeaseGone gone) {
      log.info("cannot go on with conversation {}", lease.conversation().key());
    } catch (RuntimeException | Error failed) {
      log.error("session of conversation {} failed", lease.conversation().key(), failed);
    } finally {
      Thread.interrupted();
      host.close();
      giveBack(clean);
    }
  }

  /**
   * Serves one run. Answers the next one, if its start was written together with this one's end.
   */
  private @Nullable Run turn(Run run) {
    LogField.RUN.set(run.id().toString());
    Agent agent = writes.patiently(() -> tools.agentOf(run));
    int seq = writes.patiently(() -> lastSeq(run));
    RunLog runLog =
        new RunLog(
            tools.writer()::submit,
            new RunLog.Place(lease, run.id(), seq),
            why -> end(run.id(), why),
            tools.clock());
    TurnFold fold = writes.patiently(() -> EarlierAttempts.fold(tools, run));
    ActiveRun now =
        new ActiveRun(run, runLog, fold, WorkerHost.limits(agent.definition()), tools.clock());
    lock.lock();
    try {
      active = now;
      phase = Phase.PREPARING;
      if (lost) {
        runLog.abandon();
      } else {
        // Asked before this replica had it, or while nobody did.
        String asked = run.cancelRequested();
        ending = asked == null ? null : new Ending.Cancel(asked);
      }
    } finally {
      lock.unlock();
    }
    try {
      Outcome outcome = attempt(now, agent);
      return finish(now, agent, outcome);
    } finally {
      lock.lock();
      try {
        active = null;
        phase = Phase.BETWEEN;
      } finally {
        lock.unlock();
      }
      tools.runEnded().run();
    }
  }

  private Outcome attempt(ActiveRun now, Agent agent) {
    Run run = now.run();
    try {
      now.record(
          Kinds.STARTED,
          Json.object()
              .put("attempt", run.attempt())
              .put("agent_version", agent.version())
              .put("replica", lease.replica()));
      if (agent.removed()) {
        return Outcome.failed("agent_removed", "the agent " + agent.name() + " was removed");
      }
      if (ending() != null) {
        return stopped();
      }
      String restored = host.ready(run, agent);
      tools.meters().restored(restored);
      now.record(Kinds.READY, host.described(Json.object().put("restore", restored)));
      writes.write(new Write.Facts(lease, run.id(), agent.version(), restored));
      if (!enterPrompt()) {
        return stopped();
      }
      now.begin();
      TurnEnd end = host.prompt(agent, now);
      return Outcome.of(end, ending());
    } catch (WorkerFailure failure) {
      return ending() == null
          ? Outcome.failed(failure.code(), String.valueOf(failure.getMessage()))
          : stopped();
    } catch (InterruptedException stopping) {
      return stopped();
    } catch (LeaseGone gone) {
      throw gone;
    } catch (RuntimeException failed) {
      if (ending() != null) {
        return stopped();
      }
      log.error("run {} failed in the server", run.id(), failed);
      host.kill();
      return Outcome.failed("internal_error", "the server failed; its log says why");
    } finally {
      leavePrompt();
    }
  }

  /**
   * The worker's start begins, or has ended: only in between may this thread be interrupted. False
   * when the run is to end before it.
   */
  private boolean starting(boolean begins) {
    lock.lock();
    try {
      phase = begins ? Phase.STARTING : Phase.PREPARING;
      if (!begins) {
        Thread.interrupted();
      }
      return ending == null;
    } finally {
      lock.unlock();
    }
  }

  private boolean enterPrompt() {
    lock.lock();
    try {
      if (ending != null) {
        return false;
      }
      phase = Phase.PROMPTING;
      return true;
    } finally {
      lock.unlock();
    }
  }

  private void leavePrompt() {
    lock.lock();
    try {
      phase = Phase.ENDING;
      // An interrupt was meant for the start; what follows must not trip over it.
      Thread.interrupted();
    } finally {
      lock.unlock();
    }
  }

  private Outcome stopped() {
    return Outcome.stopped(ending());
  }

  private @Nullable Run finish(ActiveRun now, Agent agent, Outcome outcome) {
    if (outcome.untaken()) {
      host.close();
      putBack(now, outcome, new Again(Duration.ZERO, false));
      return null;
    }
    if (outcome.lost()) {
      host.close();
      WorkerLoss decision =
          WorkerLoss.decide(
              agent.definition().onWorkerLoss(),
              now.produced(),
              now.run().attempt(),
              now.run().maxAttempts());
      if (decision instanceof WorkerLoss.Again again) {
        putBack(now, outcome, new Again(again.delay(), true));
        return null;
      }
    }
    boolean completed = outcome.status() == RunStatus.COMPLETED;
    boolean saved = completed && host.save(now, agent.definition());
    if (!completed && !outcome.workerIsSound()) {
      // What a broken turn left in the agent's memory must not reach the next one.
      host.close();
    }
    Settlement settlement =
        new Settlement(
            lease,
            now.run().id(),
            outcome.status(),
            now.fold().messages(),
            completed ? null : outcome.error());
    Run next = settle(now, new Unsettled(settlement, outcome, saved));
    host.settled(now.run());
    outcome.tell(tools, now.run(), log);
    return next;
  }

  private record Unsettled(Settlement settlement, Outcome outcome, boolean saved) {}

  private @Nullable Run settle(ActiveRun now, Unsettled end) {
    ObjectNode data = end.outcome().terminal(now.fold());
    now.log().awaitCommitted();
    boolean goOn = !wantsOut() && !tools.crowded().get();
    return next(
        writes.write(
            new Write.End(
                end.settlement(),
                now.log().next(Kinds.terminal(end.outcome().status()), data),
                end.saved(),
                goOn)));
  }

  /** What may not start yet is given back: here nobody would see when it may. */
  private @Nullable Run next(Written.Done done) {
    if (done.blocked()) {
      letGo();
    }
    return done.next();
  }

  private void putBack(ActiveRun now, Outcome outcome, Again again) {
    ObjectNode data =
        Json.object()
            .put("reason", outcome.code())
            .put("detail", outcome.message())
            .put("attempt", now.run().attempt());
    data.set("unknown_tool_calls", now.openToolCalls());
    now.log().awaitCommitted();
    writes.write(new Write.PutBack(now.log().next(Kinds.INTERRUPTED, data), again, false));
  }

  /** Waits with a warm worker. Answers the next run, or null when the lease is to be given back. */
  private @Nullable Run awaitNext() {
    while (true) {
      if (tools.crowded().get() || !awaitNews()) {
        return null;
      }
      Run next = next(writes.writeOnce(new Write.Next(lease)));
      if (next != null) {
        return next;
      }
    }
  }

  private boolean awaitNews() {
    lock.lock();
    try {
      long left = host.idleTimeout().toNanos();
      idleSinceNanos = tools.clock().nanos();
      idle = true;
      while (!woken && !lettingGo && !lost && left > 0 && host.warm()) {
        // Looks up now and then, for a process that died while it had nothing to do.
        long slept = Math.min(left, LOOK_UP_EVERY.toNanos());
        left -= slept - Math.max(0, tools.clock().await(lock, news, slept));
      }
      boolean goOn = woken && !lettingGo && !lost;
      woken = false;
      return goOn;
    } catch (InterruptedException stopping) {
      return false;
    } finally {
      idle = false;
      lock.unlock();
    }
  }

  private void giveBack(boolean clean) {
    if (isLost()) {
      return;
    }
    if (!clean) {
      remains.resolve(lease, Remains.Cause.BROKEN_OFF);
      return;
    }
    try {
      writes.write(new Write.Release(lease));
    } catch (LeaseGone gone) {
      log.debug("conversation {} was not ours any more", lease.conversation().key());
    } catch (RuntimeException failed) {
      log.warn("conversation {} could not be given back", lease.conversation().key(), failed);
      remains.resolve(lease, Remains.Cause.BROKEN_OFF);
    }
  }

  private int lastSeq(Run run) {
    return tools
        .db()
        .inTx(run.organization(), tx -> tools.events().lastSeq(tx, run.organization(), run.id()));
  }

  private @Nullable Ending ending() {
    lock.lock();
    try {
      return ending;
    } finally {
      lock.unlock();
    }
  }

  private boolean isLost() {
    lock.lock();
    try {
      return lost;
    } finally {
      lock.unlock();
    }
  }

  private boolean wantsOut() {
    lock.lock();
    try {
      return lettingGo || lost;
    } finally {
      lock.unlock();
    }
  }

  private void pause() {
    lock.lock();
    try {
      long left = RETRY_EVERY.toNanos();
      while (left > 0 && !lost) {
        left = tools.clock().await(lock, news, left);
      }
    } catch (InterruptedException stopping) {
      Thread.interrupted();
    } finally {
      lock.unlock();
    }
  }
}
