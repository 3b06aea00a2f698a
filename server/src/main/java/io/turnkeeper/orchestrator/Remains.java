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
import io.turnkeeper.remote.Message;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.transcript.TurnFold;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
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

  /** A replica that never was, and holds nothing. */
  private static final int NOBODY = -1;

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

  /**
   * Reads what would be left of a replica that may be gone, and changes nothing. Nothing of this is
   * done on any other day, and a program's first time takes many times as long as the next: the
   * grace is time enough for that one. Never waits.
   */
  void readUp(int replica) {
    Thread aside =
        tools
            .threads()
            .newThread(() -> {
              try {
                tools.db().useTx(tx -> tools.queue().takeOver(tx, NOBODY, NOBODY));
                for (Run run :
                    tools.db().inTx(tx -> tools.queue().underWayAt(tx, replica, AT_ONCE))) {
                  WorkerLoss loss = decide(run, read(run));
                  log.debug("run {} would be for {}", run.id(), loss);
                }
              } catch (RuntimeException away) {
                log.debug("what replica {} does cannot be read now", replica, away);
              }
            });
    aside.setName("read-up-" + replica);
    aside.start();
  }

  /** Resolves one; returns when it is done, or the lease is lost, or this replica stops. */
  void resolve(LeaseToken lease, Cause cause) {
    while (!isClosing()) {
      try {
        Optional<Run> run =
            tools
                .db()
                .inTx(lease.conversation().organization(), tx -> tools.queue().underWay(tx, lease));
        if (run.isEmpty() || !resolve(lease, run.get(), cause)) {
          tools.writer().write(new Write.Release(lease), WRITE_DEADLINE);
        }
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

  /** Whether the lease was given back with it. */
  private boolean resolve(LeaseToken lease, Run run, Cause cause) {
    LogField.RUN.set(run.id().toString());
    List<Message> said = tools.desk().remains(lease, run);
    Attempt attempt = catchUp(lease, run, read(run), said);
    ObjectNode result = Messages.result(said);
    Outcome outcome = outcome(run, cause, result);
    if (outcome.lost() && decide(run, attempt) instanceof WorkerLoss.Again again) {
      Append event =
          new Append(
              lease,
              run.id(),
              attempt.seq() + 1,
              Kinds.INTERRUPTED,
              interrupted(run, attempt, cause));
      Again when = new Again(again.delay(), attempt.begun());
      return tools.writer().write(new Write.PutBack(event, when, true), WRITE_DEADLINE)
          instanceof Written.Done;
    }
    Settlement settlement =
        new Settlement(
            lease,
            run.id(),
            outcome.status(),
            attempt.fold().messages(),
            outcome.status() == RunStatus.COMPLETED ? null : outcome.error());
    Append terminal =
        new Append(
            lease,
            run.id(),
            attempt.seq() + 1,
            Kinds.terminal(outcome.status()),
            outcome.terminal(attempt.fold()));
    boolean completed = outcome.status() == RunStatus.COMPLETED;
    tools.writer().write(new Write.End(settlement, terminal, completed, false), WRITE_DEADLINE);
    outcome.tell(tools, run, log);
    return false;
  }

  /** A result that was accepted of a worker from elsewhere counts, whoever was to write it. */
  private static Outcome outcome(Run run, Cause cause, @Nullable ObjectNode result) {
    if (result != null) {
      return Outcome.of(Messages.end(result), null);
    }
    String asked = run.cancelRequested();
    return asked == null
        ? Outcome.lost(
            cause.code(), cause.message() + "; what the agent had begun may be half done")
        : new Outcome(RunStatus.CANCELLED, "cancelled", "cancelled", asked, false);
  }

  /**
   * Writes what was accepted of a worker from elsewhere and is not in the log. Each of its messages
   * is one event there, in the same order, so that their number says where to go on. Nothing more
   * is accepted of it: its token is of the epoch before.
   */
  private Attempt catchUp(LeaseToken lease, Run run, Attempt attempt, List<Message> said) {
    int seq = attempt.seq();
    boolean produced = attempt.produced();
    for (Message message : said.subList(Math.min(attempt.applied(), said.size()), said.size())) {
      String type = Messages.type(message.data());
      if (type.equals(Messages.RESULT)) {
        break;
      }
      boolean asks = type.equals(Messages.PERMISSION);
      ObjectNode data = asks ? Messages.asked(message.data()) : Messages.update(message.data());
      String kind = asks ? Kinds.PERMISSION_REQUESTED : Kinds.UPDATE;
      attempt.fold().apply(kind, data);
      produced = true;
      tools
          .writer()
          .write(new Write.Log(new Append(lease, run.id(), ++seq, kind, data)), WRITE_DEADLINE);
    }
    return new Attempt(attempt.fold(), seq, attempt.begun(), produced, attempt.applied());
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
   * @param applied how many events the agent has caused in it
   */
  private record Attempt(TurnFold fold, int seq, boolean begun, boolean produced, int applied) {}

  private Attempt read(Run run) {
    TurnFold fold = new TurnFold(run.id().toString());
    int seq = 0;
    boolean begun = false;
    int applied = 0;
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
            applied = 0;
          }
          case Kinds.UPDATE, Kinds.PERMISSION_REQUESTED -> applied++;
          default -> {}
        }
      }
      if (page.size() < PAGE) {
        int last = page.isEmpty() ? seq : page.getLast().seq();
        return new Attempt(fold, last, begun, applied > 0, applied);
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
