package io.turnkeeper.sim;

import io.turnkeeper.base.RunId;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.sim.SimDatabase.Physical;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * What makes time pass and messages arrive. Everything simulated runs on the one thread that owns
 * this: actors from wait to wait, and the database's answers in the order that it gives them.
 */
final class Engine {
  static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

  private static final boolean DETAILS = Boolean.getBoolean("sim.details");
  private static final int NOTES_MAX = DETAILS ? 100_000 : 400;
  private static final Duration OUTSIDE_MAX = Duration.ofSeconds(20);
  private static final long ANSWER_NANOS = TimeUnit.MICROSECONDS.toNanos(1_500);

  /** The server ends a transaction in which nothing happens for so long: see {@code Db.Waits}. */
  private static final Duration IDLE_IN_TRANSACTION = Simulation.TTL;

  /** A takeover waits so long for locks: see {@code Cluster}. */
  private static final Duration TAKEOVER_WAIT = Duration.ofMillis(500);

  private static final ExecutorService WAITING =
      Executors.newCachedThreadPool(Thread.ofPlatform().daemon().name("sim-wait-", 0).factory());

  /** What becomes of a message to the database. */
  enum Fate {
    ANSWERED,
    /** The connection breaks before it is carried out. */
    LOST,
    /** It is carried out, and the connection breaks before the answer arrives. */
    UNANSWERED
  }

  /** Something that a process waits for time to bring. */
  record Timer(long atNanos, SimProcess process, Runnable task) {}

  private final SimDatabase database;
  private final Fence fence;
  private final Checker checker;
  final List<SimProcess> processes = new ArrayList<>();
  final List<Op> ops = new ArrayList<>();
  private final Queue<Op> arrived = new ConcurrentLinkedQueue<>();
  private final Queue<Link> released = new ConcurrentLinkedQueue<>();
  private final Queue<Link> aborted = new ConcurrentLinkedQueue<>();
  private final Random ids;
  private int links;
  private final List<Timer> timers = new ArrayList<>();
  private final Deque<String> notes = new ArrayDeque<>();
  private final Thread owner = Thread.currentThread();
  private volatile long nanos;
  private Instant serverStarted = START.minusSeconds(3600);
  private long trace = 17;
  long statements;
  long deadlocks;
  long waited;

  Engine(SimDatabase database, Fence fence, Checker checker, long seed) {
    this.ids = new Random(seed);
    this.database = database;
    this.fence = fence;
    this.checker = checker;
  }

  SimDatabase database() {
    return database;
  }

  Fence fence() {
    return fence;
  }

  Checker checker() {
    return checker;
  }

  long nanos() {
    return nanos;
  }

  Instant now() {
    return START.plusNanos(nanos);
  }

  long serverStartedNanos() {
    return Duration.between(START, serverStarted).toNanos();
  }

  /** A line of the story, for whoever has to understand a failure. */
  void note(String line) {
    trace = trace * 31 + line.hashCode();
    if (notes.size() == NOTES_MAX) {
      notes.removeFirst();
    }
    notes.add("%9.3f %s".formatted(nanos / 1e9, line));
  }

  /** Something small that happened: part of what must be the same for the same seed. */
  void detail(String line) {
    trace = trace * 31 + line.hashCode();
    if (DETAILS) {
      note(line);
    }
  }

  /** The same for the same seed. */
  long trace() {
    return trace;
  }

  String story() {
    return String.join("\n", notes);
  }

  /** The same for the same seed. */
  RunId newRunId() {
    return new RunId(Uuid7.next(now().toEpochMilli(), ids));
  }

  /** A process breaks a connection of its own: it is cut before anything else happens. */
  void abort(Link link) {
    aborted.add(link);
    signal();
  }

  int nextLink() {
    return ++links;
  }

  void signal() {
    LockSupport.unpark(owner);
  }

  synchronized void add(Timer timer) {
    timers.add(timer);
  }

  synchronized void remove(Timer timer) {
    timers.remove(timer);
  }

  /** Time passes, and what waits for it goes on. */
  void pass(Duration time) {
    nanos += time.toNanos();
    detail("time passes");
    List<Timer> over;
    synchronized (this) {
      over = timers.stream().filter(timer -> timer.atNanos() <= nanos).toList();
      timers.removeAll(over);
    }
    for (Timer timer : over) {
      if (!timer.process().dead) {
        new Actor(timer.process(), Actor.Kind.OTHER, "timer", timer.task()).start();
      }
    }
    for (SimProcess process : List.copyOf(processes)) {
      if (!process.dead) {
        process.warden();
        if (!process.paused && process.joined && process.idle(SimProcess.Loop.DEADLINE)) {
          process.step(SimProcess.Loop.DEADLINE);
        }
        for (Link link : List.copyOf(process.links)) {
          if (link.open
              && !blocked(link)
              && nanos - link.lastUsedNanos > IDLE_IN_TRANSACTION.toNanos()) {
            note("the server ends an idle transaction of " + process);
            cut(link);
          }
        }
      }
    }
    for (Op op : List.copyOf(ops)) {
      if (op.blocked != null
          && op.actor.name.startsWith("BURY")
          && nanos - op.blockedSinceNanos > TAKEOVER_WAIT.toNanos()) {
        cancel(op);
      }
    }
    drain();
  }

  private boolean blocked(Link link) {
    return ops.stream().anyMatch(op -> op.link == link && op.blocked != null);
  }

  private void cancel(Op op) {
    Link link = op.link;
    Future<@Nullable Object> running = op.blocked;
    if (link == null || running == null) {
      return;
    }
    try {
      note("a takeover of " + op.actor.process + " waited long enough");
      database.cancel(link.physical);
      settle(op, running);
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** On an actor: sends a message to the database and waits for the answer. */
  @Nullable Object wire(
      @Nullable Link link, Op.Kind kind, String sql, Callable<@Nullable Object> action)
      throws SQLException {
    Actor actor = Actor.current();
    if (actor == null) {
      return direct(action);
    }
    Op op = new Op(actor, link, kind, sql, action);
    actor.op = op;
    arrived.add(op);
    try {
      return op.answer.join();
    } catch (CompletionException failed) {
      if (failed.getCause() instanceof SQLException refused) {
        throw refused;
      }
      throw failed;
    }
  }

  private static @Nullable Object direct(Callable<@Nullable Object> action) throws SQLException {
    try {
      return action.call();
    } catch (SQLException failed) {
      throw failed;
    } catch (Exception failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** A process has closed a connection. */
  void release(Link link) {
    released.add(link);
    signal();
  }

  /** Runs whatever can run until everything waits for the database, for time or for news. */
  void drain() {
    while (true) {
      boolean ran = false;
      database.stock();
      for (SimProcess process : List.copyOf(processes)) {
        for (Runnable next = process.next(); next != null; next = process.next()) {
          next.run();
          ran = true;
        }
      }
      for (Link link = aborted.poll(); link != null; link = aborted.poll()) {
        cut(link);
        ran = true;
      }
      for (Link link = released.poll(); link != null; link = released.poll()) {
        end(link);
        ran = true;
      }
      for (Op op = arrived.poll(); op != null; op = arrived.poll()) {
        if (!op.actor.process.dead) {
          ops.add(op);
        }
      }
      if (!ran && processes.stream().noneMatch(SimProcess::waitsOutside)) {
        processes.forEach(process -> process.line().settle());
        return;
      }
      if (!ran) {
        awaitOutside();
      }
    }
  }

  /** A step waits for a thread of the machine to end, which takes no simulated time. */
  private void awaitOutside() {
    waited++;
    long until = System.nanoTime() + OUTSIDE_MAX.toNanos();
    while (processes.stream().noneMatch(SimProcess::hasReady)
        && released.isEmpty()
        && aborted.isEmpty()) {
      if (System.nanoTime() > until) {
        throw new IllegalStateException("a step does not come to an end\n" + story());
      }
      LockSupport.parkNanos(100_000);
      if (processes.stream().noneMatch(SimProcess::waitsOutside)) {
        return;
      }
    }
  }

  /** The connection is no more, and the server knows it. */
  private void end(Link link) {
    if (!link.broken) {
      link.broken = true;
      giveBack(link);
    }
    link.process.links.remove(link);
  }

  private void giveBack(Link link) {
    boolean was = link.open;
    link.open = false;
    database.end(link.physical, link.session);
    if (was) {
      recheck();
    }
  }

  /** The connection breaks: the server ends its session, the process finds out when it uses it. */
  void cut(Link link) {
    if (link.broken) {
      return;
    }
    for (Op op : List.copyOf(ops)) {
      Future<@Nullable Object> running = op.blocked;
      if (op.link == link && running != null) {
        try {
          database.cancel(link.physical);
        } catch (SQLException failed) {
          throw new IllegalStateException(failed);
        }
        ops.remove(op);
        finished(running);
        answer(op, null, Link.lost());
      }
    }
    link.broken = true;
    if (link.session) {
      checker.lockGone(link.process);
    }
    giveBack(link);
  }

  /** kill -9: nothing of it runs again, and its connections break. */
  void kill(SimProcess process) {
    process.kill();
    for (Link link : List.copyOf(process.links)) {
      cut(link);
    }
    process.links.clear();
    ops.removeIf(op -> op.actor.process == process);
    synchronized (this) {
      timers.removeIf(timer -> timer.process() == process);
    }
  }

  /** The server stops at once and is back: all connections are gone, and all locks. */
  void restartServer() {
    serverStarted = now();
    for (SimProcess process : processes) {
      for (Link link : List.copyOf(process.links)) {
        link.serverEnded = true;
        cut(link);
      }
    }
  }

  /** Carries a message out, or loses it. */
  void perform(Op op, Fate fate) {
    Link link = op.link;
    if (link == null) {
      ops.remove(op);
      connect(op, fate);
      return;
    }
    if (link.broken || fate == Fate.LOST) {
      ops.remove(op);
      if (!link.broken) {
        note(op.actor.name + " loses its connection before " + op);
        cut(link);
      }
      answer(op, null, Link.lost());
      return;
    }
    statements++;
    detail(op.actor.name + ": " + op);
    link.lastUsedNanos = nanos;
    if (!link.open) {
      link.begunNanos = nanos;
    }
    if (op.sql.contains("AS unlocked")) {
      link.lookedNanos = nanos;
    }
    if (op.kind == Op.Kind.ROLLBACK) {
      link.physical.undone();
    }
    if (op.kind == Op.Kind.STATEMENT) {
      tellTime(link, op.sql);
      link.open = !link.autoCommit();
      link.wrote |= Link.writes(op.sql);
    }
    if (op.kind != Op.Kind.STATEMENT || !Link.locks(op.sql) || othersOpen(link) == 0) {
      ops.remove(op);
      complete(op, fate, outcome(op.action));
      return;
    }
    Future<@Nullable Object> running = WAITING.submit(op.action);
    if (answersSoon(link.physical, running)) {
      ops.remove(op);
      complete(op, fate, finished(running));
    } else {
      note(op.actor.name + " waits for a lock: " + op);
      op.blocked = running;
      op.blockedSinceNanos = nanos;
      resolveDeadlock();
    }
  }

  private void tellTime(Link link, String sql) {
    if (Link.asksForTime(sql)) {
      Instant begun = START.plusNanos(link.begunNanos);
      Instant at = sql.contains("clock_timestamp") ? now() : begun;
      try {
        link.physical.stamp(new SimDatabase.Time(begun, at, serverStarted));
      } catch (SQLException failed) {
        throw new IllegalStateException(failed);
      }
    }
  }

  private void connect(Op op, Fate fate) {
    if (fate == Fate.LOST) {
      answer(op, null, Link.lost());
      return;
    }
    Outcome outcome = outcome(op.action);
    answer(op, outcome.value(), outcome.failure());
  }

  private record Outcome(@Nullable Object value, @Nullable Throwable failure) {}

  private static Outcome outcome(Callable<@Nullable Object> action) {
    try {
      return new Outcome(action.call(), null);
    } catch (Exception failed) {
      return new Outcome(null, failed);
    }
  }

  private static Outcome finished(Future<@Nullable Object> running) {
    try {
      return new Outcome(running.get(20, TimeUnit.SECONDS), null);
    } catch (ExecutionException failed) {
      return new Outcome(null, failed.getCause());
    } catch (InterruptedException | TimeoutException stuck) {
      throw new IllegalStateException(stuck);
    }
  }

  private void complete(Op op, Fate fate, Outcome outcome) {
    Link link = op.link;
    if (link == null) {
      return;
    }
    boolean ends = op.kind != Op.Kind.STATEMENT;
    boolean committed =
        outcome.failure() == null
            && (op.kind == Op.Kind.COMMIT || op.kind == Op.Kind.STATEMENT && link.autoCommit());
    boolean wrote = link.wrote;
    link.told |= op.sql.contains("pg_notify");
    if (ends || link.autoCommit()) {
      link.open = false;
      link.wrote = false;
      link.told &= committed;
    }
    if (fate == Fate.UNANSWERED) {
      note(op.actor.name + " gets no answer to " + op);
      cut(link);
      answer(op, null, Link.lost());
    } else {
      answer(op, outcome.value(), outcome.failure());
    }
    if (committed && link.told) {
      tell();
      link.told = false;
    }
    if (committed && wrote) {
      checker.committed(link, op.actor.name);
    }
    if (ends) {
      recheck();
    }
  }

  /** What was told in a transaction is on its way to whoever listens. */
  private void tell() {
    try {
      for (String payload : database.news()) {
        for (SimProcess process : processes) {
          if (process.joined) {
            process.mail.add(payload);
          }
        }
      }
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  private static void answer(Op op, @Nullable Object value, @Nullable Throwable failure) {
    op.actor.op = null;
    if (failure == null) {
      op.answer.complete(value);
    } else {
      op.answer.completeExceptionally(failure);
    }
  }

  private long othersOpen(Link link) {
    return processes.stream()
        .flatMap(process -> process.links.stream())
        .filter(other -> other != link && other.open && !other.broken)
        .count();
  }

  private boolean answersSoon(Physical physical, Future<@Nullable Object> running) {
    while (!answersAtOnce(running)) {
      if (!blockers(physical).equals("{}")) {
        return false;
      }
    }
    return true;
  }

  private static boolean answersAtOnce(Future<@Nullable Object> running) {
    try {
      running.get(ANSWER_NANOS, TimeUnit.NANOSECONDS);
      return true;
    } catch (ExecutionException refused) {
      return true;
    } catch (TimeoutException notYet) {
      return false;
    } catch (InterruptedException stopping) {
      throw new IllegalStateException(stopping);
    }
  }

  private String blockers(Physical physical) {
    try {
      return database.blockers(physical);
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** A lock was given up: whoever waited for it goes on. */
  private void recheck() {
    for (Op op : List.copyOf(ops)) {
      Future<@Nullable Object> running = op.blocked;
      Link link = op.link;
      if (running != null && link != null && answersSoon(link.physical, running)) {
        settle(op, running);
      }
    }
  }

  private void settle(Op op, Future<@Nullable Object> running) {
    Outcome outcome = finished(running);
    op.blocked = null;
    ops.remove(op);
    if (op.link != null) {
      op.link.lastUsedNanos = nanos;
    }
    complete(op, Fate.ANSWERED, outcome);
  }

  /** When those that wait only wait for each other, the server picks a victim. */
  private void resolveDeadlock() {
    List<Op> waiting = ops.stream().filter(op -> op.blocked != null && op.link != null).toList();
    if (waiting.size() < 2 || !deadlocked(waiting)) {
      return;
    }
    deadlocks++;
    note("deadlock: " + waiting);
    while (true) {
      for (Op op : waiting.stream().sorted(Comparator.comparing(Op::toString)).toList()) {
        Future<@Nullable Object> running = op.blocked;
        if (running != null && running.isDone()) {
          settle(op, running);
          return;
        }
      }
      LockSupport.parkNanos(1_000_000);
    }
  }

  private boolean deadlocked(List<Op> waiting) {
    List<String> pids = new ArrayList<>();
    for (Op op : waiting) {
      if (op.link != null) {
        pids.add(Integer.toString(op.link.physical.pid));
      }
    }
    boolean[] free = new boolean[waiting.size()];
    List<List<String>> behind = new ArrayList<>();
    for (Op op : waiting) {
      String blockers = op.link == null ? "{}" : blockers(op.link.physical);
      behind.add(List.of(blockers.replaceAll("[{}]", "").split(",")));
    }
    for (boolean changed = true; changed; ) {
      changed = false;
      for (int i = 0; i < free.length; i++) {
        if (!free[i]
            && behind.get(i).stream()
                .allMatch(pid -> !pids.contains(pid) || free[pids.indexOf(pid)])) {
          free[i] = true;
          changed = true;
        }
      }
    }
    for (boolean one : free) {
      if (!one) {
        return true;
      }
    }
    return false;
  }
}
