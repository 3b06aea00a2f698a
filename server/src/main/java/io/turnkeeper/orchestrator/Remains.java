package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.queue.Again;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Settlement;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.transcript.TurnFold;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What is left of a conversation when nobody works on it though its lease is held here: after a
 * takeover, and after a session that could not go on. The run that was under way, if any, ends or
 * goes back to its place as its agent's policy says; then the lease is given back. No process of it
 * is alive any more.
 */
final class Remains {
  private static final Logger log = LoggerFactory.getLogger(Remains.class);
  private static final Duration WRITE_DEADLINE = Duration.ofSeconds(30);
  private static final Duration AGAIN = Duration.ofMillis(200);
  private static final int PAGE = 1_000;

  /** Looked at side by side: some connections stay for whoever serves clients. */
  private static final int AT_ONCE = 4;

  /** Why nobody works on it, for the log of the run. */
  record Cause(String code, String message) {
    static final Cause REPLICA_LOST = new Cause("replica_lost", "the replica that ran it is gone");
    static final Cause BROKEN_OFF =
        new Cause("server_error", "the server could not go on with it; its log says why");
  }

  private final Tools tools;
  private final Runnable released;
  private final Semaphore turns = new Semaphore(AT_ONCE);
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private int left;
  private boolean closing;

  /**
   * @param released told after a conversation was given back: it may be ready
   */
  Remains(Tools tools, Runnable released) {
    this.tools = tools;
    this.released = released;
  }

  /** Resolves them all, on threads of their own. Never waits. */
  void resolveAside(Collection<LeaseToken> leases, Cause cause) {
    lock.lock();
    try {
      left += leases.size();
    } finally {
      lock.unlock();
    }
    for (LeaseToken lease : leases) {
      Thread aside =
          tools
              .threads()
              .newThread(() -> {
                LeaseFields.set(lease);
                turns.acquireUninterruptibly();
                try {
                  resolve(lease, cause);
                } finally {
                  turns.release();
                  lessOne();
                }
              });
      aside.setName("remains-" + lease.conversation().key());
      aside.start();
    }
  }

  /** Resolves one; returns when it is done, or the lease is lost, or this replica stops. */
  void resolve(LeaseToken lease, Cause cause) {
    while (!isClosing()) {
      try {
        Optional<Run> run =
            tools
                .db()
                .inTx(lease.conversation().organization(), tx -> tools.queue().underWay(tx, lease));
        run.ifPresent(underWay -> resolve(lease, underWay, cause));
        tools.writer().write(new Write.Release(lease), WRITE_DEADLINE);
        released.run();
        return;
      } catch (Refusal.Unavailable away) {
        pause();
      } catch (RuntimeException failed) {
        log.error("conversation {} cannot be given back yet", lease.conversation().key(), failed);
        pause();
      }
    }
  }

  /** Waits until all that were to be resolved are, at most so long. */
  void awaitNone(Duration atMost) throws InterruptedException {
    lock.lock();
    try {
      long nanos = atMost.toNanos();
      while (left > 0 && nanos > 0) {
        nanos = changed.awaitNanos(nanos);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Nothing more is begun; what is left is for whoever takes over from this replica. */
  void close() {
    lock.lock();
    try {
      closing = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void resolve(LeaseToken lease, Run run, Cause cause) {
    LogField.RUN.set(run.id().toString());
    Attempt attempt = read(run);
    Outcome outcome =
        run.cancelRequested() == null
            ? Outcome.lost(
                cause.code(), cause.message() + "; what the agent had begun may be half done")
            : new Outcome(
                RunStatus.CANCELLED, "cancelled", "cancelled", run.cancelRequested(), false);
    if (outcome.lost() && decide(run, attempt) instanceof WorkerLoss.Again again) {
      tools
          .writer()
          .write(
              new Write.PutBack(
                  new Append(
                      lease,
                      run.id(),
                      attempt.seq() + 1,
                      Kinds.INTERRUPTED,
                      interrupted(run, attempt, cause)),
                  new Again(again.delay(), attempt.begun())),
              WRITE_DEADLINE);
      return;
    }
    Settlement settlement =
        new Settlement(
            lease, run.id(), outcome.status(), attempt.fold().messages(), outcome.error());
    Append terminal =
        new Append(
            lease,
            run.id(),
            attempt.seq() + 1,
            Kinds.terminal(outcome.status()),
            outcome.terminal(attempt.fold()));
    tools.writer().write(new Write.End(settlement, terminal, false, false), WRITE_DEADLINE);
    outcome.tell(tools, run, log);
  }

  private WorkerLoss decide(Run run, Attempt attempt) {
    if (!attempt.begun()) {
      return new WorkerLoss.Again(Duration.ZERO);
    }
    OnWorkerLoss policy =
        tools
            .agents()
            .current(run.organization(), run.agent())
            .map(agent -> agent.definition().onWorkerLoss())
            .orElse(OnWorkerLoss.FAIL);
    return WorkerLoss.decide(policy, attempt.produced(), run.attempt(), run.maxAttempts());
  }

  private static ObjectNode interrupted(Run run, Attempt attempt, Cause cause) {
    ObjectNode data =
        Json.object()
            .put("reason", cause.code())
            .put("detail", cause.message())
            .put("attempt", run.attempt());
    data.set("unknown_tool_calls", attempt.fold().openToolCalls());
    return data;
  }

  /**
   * What the log knows of the run's last attempt.
   *
   * @param seq of the last event
   * @param begun whether this attempt has begun at all
   * @param produced whether the agent has shown any sign of work in it
   */
  private record Attempt(TurnFold fold, int seq, boolean begun, boolean produced) {}

  private Attempt read(Run run) {
    TurnFold fold = new TurnFold(run.id().toString());
    int seq = 0;
    boolean begun = false;
    boolean produced = false;
    while (true) {
      int after = seq;
      List<Event> page =
          tools
              .db()
              .inTx(
                  run.organization(),
                  tx -> tools.events().after(tx, run.organization(), run.id(), after, PAGE));
      for (Event event : page) {
        fold.apply(event.kind(), event.data());
        switch (event.kind()) {
          case Kinds.STARTED -> {
            begun = event.data().path("attempt").asInt(0) == run.attempt();
            produced = false;
          }
          case Kinds.UPDATE, Kinds.PERMISSION_REQUESTED -> produced = true;
          default -> {}
        }
      }
      if (page.size() < PAGE) {
        int last = page.isEmpty() ? seq : page.getLast().seq();
        return new Attempt(fold, last, begun, produced);
      }
      seq = page.getLast().seq();
    }
  }

  private void pause() {
    lock.lock();
    try {
      long nanos = AGAIN.toNanos();
      while (!closing && nanos > 0) {
        nanos = tools.clock().await(lock, changed, nanos);
      }
    } catch (InterruptedException stopping) {
      Thread.interrupted();
    } finally {
      lock.unlock();
    }
  }

  private void lessOne() {
    lock.lock();
    try {
      left--;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private boolean isClosing() {
    lock.lock();
    try {
      return closing;
    } finally {
      lock.unlock();
    }
  }
}
