package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.Claims;
import io.turnkeeper.queue.RunCommand;
import io.turnkeeper.worker.PermissionAnswer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Gives ready conversations to this replica's free slots. Each step is at most one transaction and
 * never waits for the work it started.
 */
final class Dispatcher {
  private static final Logger log = LoggerFactory.getLogger(Dispatcher.class);

  /** Claimed in one statement; more are claimed by the next. */
  private static final int CLAIM_MAX = 500;

  private static final int NOBODY = -1;

  private final Tools tools;
  private final Admission admission;
  private final Remains remains;
  private final Map<Long, ConversationSession> sessions = new ConcurrentHashMap<>();
  private final Runnable nudge;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition fewer = lock.newCondition();
  private volatile boolean claiming = true;

  /** Under which the sessions here work; guarded by the lock, with the arrival of new ones. */
  private int serving = NOBODY;

  private volatile List<Claimed> unsure = List.of();

  /**
   * @param nudge asks for a {@link #tick} soon
   */
  Dispatcher(Tools tools, Admission admission, Remains remains, Runnable nudge) {
    this.remains = remains;
    this.tools = tools;
    this.admission = admission;
    this.nudge = nudge;
  }

  /** From now on claims of this replica are served. */
  void serve(int replica) {
    lock.lock();
    try {
      serving = replica;
    } finally {
      lock.unlock();
    }
  }

  /** Claims what there is room for. True when there may be more at once. */
  boolean tick(int replica) {
    if (!claiming) {
      return false;
    }
    startUnsure(replica);
    int slots = Math.min(admission.free(), CLAIM_MAX);
    if (slots == 0) {
      waits(tools.db().inTx(tx -> tools.queue().hasReady(tx)));
      return false;
    }
    tools.crowded().set(false);
    Claims claims = claim(replica, slots);
    if (claims.capped()) {
      tools.capped().set(true);
    }
    claims.taken().forEach(this::start);
    return claims.again();
  }

  private Claims claim(int replica, int slots) {
    AtomicReference<List<Claimed>> found = new AtomicReference<>(List.of());
    try {
      return tools
          .db()
          .inTx(tx -> {
            Claims claims = tools.queue().claim(tx, replica, slots);
            found.set(claims.taken());
            return claims;
          });
    } catch (RuntimeException unknown) {
      // Committed or not: what it says it took is looked at again before anything else is.
      unsure = found.get();
      throw unknown;
    }
  }

  /** Whether it is not known yet what a claim came to. */
  boolean unsure() {
    return !unsure.isEmpty();
  }

  private void startUnsure(int replica) {
    List<Claimed> open = unsure;
    if (!open.isEmpty()) {
      List<LeaseToken> leases = open.stream().map(Claimed::lease).toList();
      Set<LeaseToken> ours = tools.db().inTx(tx -> tools.queue().lock(tx, replica, leases));
      unsure = List.of();
      open.stream().filter(claimed -> ours.contains(claimed.lease())).forEach(this::start);
    }
  }

  /**
   * Whether work waits that may start. Where no slot is free for it, the worker that has been idle
   * longest makes room.
   *
   * @return whether there is a slot for it
   */
  boolean waits(boolean ready) {
    boolean room = admission.free() > 0;
    int excess = admission.excess();
    tools.crowded().set(excess > 0 || (ready && !room));
    evictIdle(Math.max(excess, ready && !room ? 1 : 0));
    return room;
  }

  /**
   * What was claimed before this replica was fenced, and is heard of only now, is for whoever takes
   * over: nothing would stop a worker that began after {@link #loseAll}.
   */
  private void start(Claimed claimed) {
    long key = claimed.lease().conversation().key();
    admission.take();
    ConversationSession session = null;
    try {
      session = new ConversationSession(tools, remains, claimed, this::ended);
      if (!enter(session)) {
        log.info("conversation {} was claimed too late", key);
        admission.giveBack();
        return;
      }
      tools.events().wake(key);
      session.start();
    } catch (RuntimeException | Error failed) {
      log.error("conversation {} cannot be served here now", key, failed);
      if (session == null) {
        admission.giveBack();
      } else {
        ended(session);
      }
      leave(claimed);
    }
  }

  private boolean enter(ConversationSession session) {
    lock.lock();
    try {
      LeaseToken lease = session.lease();
      if (lease.replica() != serving) {
        return false;
      }
      sessions.put(lease.conversation().key(), session);
      return true;
    } finally {
      lock.unlock();
    }
  }

  private void leave(Claimed claimed) {
    try {
      remains.resolveAside(List.of(claimed.lease()), Remains.Cause.BROKEN_OFF);
    } catch (RuntimeException | Error failed) {
      log.error("nor can it be given back yet", failed);
      List<Claimed> more = new ArrayList<>(unsure);
      more.add(claimed);
      unsure = List.copyOf(more);
    }
  }

  /** The conversation may have been claimed again already: only this session's own entry goes. */
  private void ended(ConversationSession session) {
    lock.lock();
    try {
      sessions.remove(session.lease().conversation().key(), session);
      fewer.signalAll();
    } finally {
      lock.unlock();
      admission.giveBack();
    }
    nudge.run();
  }

  /** Waits until no session is left, at most so long. */
  void awaitNoSessions(Duration atMost) throws InterruptedException {
    lock.lock();
    try {
      long left = atMost.toNanos();
      while (!sessions.isEmpty() && left > 0) {
        left = fewer.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Has the conversation given back as soon as no run is under way. */
  void letGo(long key) {
    ConversationSession session = sessions.get(key);
    if (session != null) {
      session.letGo();
    }
  }

  /** A conversation got a run, or one of its runs changed. */
  void wake(long key) {
    ConversationSession session = sessions.get(key);
    if (session != null) {
      session.wake();
    }
  }

  /** Wakes every session: news may be lost. */
  void wakeAll() {
    sessions.values().forEach(ConversationSession::wake);
  }

  /** Does the step unless the conversation is served here; none begins to be meanwhile. */
  boolean unlessServed(long key, Runnable step) {
    lock.lock();
    try {
      if (sessions.containsKey(key)) {
        return false;
      }
      step.run();
      return true;
    } finally {
      lock.unlock();
    }
  }

  boolean holds(long key) {
    return sessions.containsKey(key);
  }

  /** Whether it would claim one more conversation now. */
  boolean hasRoom() {
    return claiming && admission.free() > 0;
  }

  /** Carries out what was asked of a run that is under way here. False when it is not. */
  boolean carryOut(RunCommand command) {
    ConversationSession session = sessions.get(command.conversationKey());
    if (session == null) {
      return false;
    }
    return switch (command.kind()) {
      case CANCEL ->
          session.end(
              command.run(),
              new Ending.Cancel(command.body().path("reason").asString("cancelled")));
      case ANSWER -> {
        String permission = command.body().path("permission").asString("");
        String by = command.body().path("by").asString("");
        PermissionAnswer answer =
            command.body().has("option_id")
                ? new PermissionAnswer.Selected(command.body().path("option_id").asString(), by)
                : new PermissionAnswer.Cancelled(by);
        yield switch (session.answer(command.run(), permission, answer)) {
          case DONE -> true;
          case GONE, NO_SUCH_OPTION -> false;
        };
      }
    };
  }

  /** As the session's; false also when the conversation is not held here. */
  boolean custom(long key, RunId run, int attempt, ObjectNode update) {
    ConversationSession session = sessions.get(key);
    return session != null && session.custom(run, attempt, update);
  }

  /** The conversation's run under way here, if any. */
  Optional<RunId> current(long key) {
    ConversationSession session = sessions.get(key);
    return session == null ? Optional.empty() : session.current();
  }

  /** Looks at the clocks of all runs under way. Reads and writes no database. */
  void checkClocks() {
    long nanos = tools.clock().nanos();
    sessions.values().forEach(session -> session.check(nanos));
  }

  /** Lets the workers go that have been idle longest, so that slots, and memory, come free. */
  private void evictIdle(int workers) {
    if (workers > 0) {
      record Idle(ConversationSession session, long since) {}
      sessions.values().stream()
          .flatMap(
              session -> session.idleSince().stream().mapToObj(since -> new Idle(session, since)))
          .sorted(Comparator.comparingLong(Idle::since))
          .limit(workers)
          .forEach(idle -> idle.session().letGo());
    }
  }

  /** The cap was lowered: what is held above it goes as soon as it is idle. */
  void makeRoom() {
    if (admission.excess() > 0) {
      waits(false);
    }
  }

  /** Keeps warm workers within the budget: the longest idle go first. */
  void keepWithin(long memoryBudget) {
    long resident =
        sessions.values().stream()
            .filter(session -> session.idleSince().isPresent())
            .mapToLong(ConversationSession::residentBytes)
            .sum();
    if (resident > memoryBudget) {
      log.info("idle workers hold {} MB: letting the longest idle go", resident >> 20);
      evictIdle(1);
    }
  }

  /** Stops claiming and hands idle conversations back; runs under way go on. */
  void drain() {
    claiming = false;
    sessions.values().forEach(ConversationSession::letGo);
  }

  /** Ends every run under way: what becomes of it is its agent's policy. */
  void stopRuns() {
    sessions.values().forEach(session -> session.end(null, new Ending.Drain()));
  }

  /**
   * Fenced: nothing more is written or started. Kills nothing: that is done at once for all, by who
   * calls this.
   */
  void loseAll() {
    List<ConversationSession> all;
    lock.lock();
    try {
      serving = NOBODY;
      all = List.copyOf(sessions.values());
    } finally {
      lock.unlock();
    }
    all.forEach(ConversationSession::lose);
  }

  int sessions() {
    return sessions.size();
  }

  /** Sessions with a run under way. */
  long running() {
    return sessions.values().stream().filter(session -> session.current().isPresent()).count();
  }
}
