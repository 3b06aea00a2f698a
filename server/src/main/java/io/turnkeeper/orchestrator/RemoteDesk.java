package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.cluster.News;
import io.turnkeeper.db.Db;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.remote.Arrival;
import io.turnkeeper.remote.Connected;
import io.turnkeeper.remote.Message;
import io.turnkeeper.remote.RemoteTurn;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.remote.Standing;
import io.turnkeeper.remote.Taken;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Where the runs of this replica's leases meet workers from elsewhere. It has two sides, which may
 * be on different replicas: the holder's, with the runs that it has out, and the connections'. All
 * that passes between them is in the database; what they tell each other are hints.
 */
final class RemoteDesk implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(RemoteDesk.class);

  /** One statement for all runs that are out, one for all connections: only where there are any. */
  private static final Duration LOOK_EVERY = Duration.ofSeconds(1);

  private static final int TEND_EVERY = 60;
  private static final int FORGET_MAX = 1_000;
  private static final String CANCELLED = "cancelled";

  private final Db db;
  private final RunQueue queue;
  private final Agents agents;
  private final Elsewhere elsewhere;
  private final RemoteWork work;
  private final Consumer<News> others;
  private final Clock clock;
  private final Ticker ticker;
  private final Map<Long, RemoteWorker> out = new ConcurrentHashMap<>();
  private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
  private long stayedNanos;
  private int looks;

  /** What it works with. */
  record Parts(Db db, RunQueue queue, Agents agents, Elsewhere elsewhere) {}

  /**
   * @param others tells the other replicas; never waits
   */
  RemoteDesk(Parts parts, Consumer<News> others, Clock clock) {
    this.db = parts.db();
    this.queue = parts.queue();
    this.agents = parts.agents();
    this.elsewhere = parts.elsewhere();
    this.work = elsewhere.work();
    this.others = others;
    this.clock = clock;
    this.ticker = new Ticker("workers", LOOK_EVERY, clock, this::look);
  }

  void start() {
    ticker.start();
  }

  @Override
  public void close() {
    ticker.close();
  }

  Duration deadline() {
    return elsewhere.deadline();
  }

  Duration cancelGrace() {
    return elsewhere.cancelGrace();
  }

  // The holder's side.

  /**
   * @throws LeaseGone the lease is lost
   */
  void offer(LeaseToken lease, Taken turn, RemoteWorker by) {
    out.put(by.key(), by);
    boolean offered =
        db.inTx(
            organization(lease),
            tx -> work.offer(tx, lease, turn.run(), turn.attempt(), deadline()));
    if (!offered) {
      out.remove(by.key(), by);
      throw new LeaseGone();
    }
    offered(lease.conversation().agent());
    others.accept(News.offered(by.key()));
  }

  void remove(RemoteWorker worker) {
    out.remove(worker.key(), worker);
  }

  List<Message> messages(Run run, int after, int limit) {
    return db.inTx(
        run.organization(), tx -> work.messages(tx, run.organization(), run.id(), after, limit));
  }

  /**
   * All that was accepted of the worker of the run's last attempt, under the lease before; none
   * when it had none. Nothing more is accepted of it, and it has room for another run.
   */
  List<Message> remains(LeaseToken lease, Run run) {
    return db.inTx(
        run.organization(),
        tx -> {
          Optional<RemoteTurn> turn = work.lock(tx, run.organization(), run.id());
          if (turn.isEmpty()) {
            return List.of();
          }
          work.abandon(tx, lease, run.id());
          return turn.get().attempt() == run.attempt()
              ? work.messages(tx, run.organization(), run.id(), 0, Integer.MAX_VALUE)
              : List.of();
        });
  }

  Optional<Standing> standing(Run run) {
    return db.inTx(run.organization(), tx -> work.standings(tx, List.of(run.id()))).stream()
        .findFirst();
  }

  boolean closeSilent(LeaseToken lease, Taken turn) {
    return db.inTx(organization(lease), tx -> work.closeSilent(tx, lease, turn));
  }

  void close(LeaseToken lease, Taken turn) {
    if (db.inTx(organization(lease), tx -> work.close(tx, lease, turn))) {
      tell(lease);
    }
  }

  void cancel(LeaseToken lease, Taken turn) {
    db.useTx(organization(lease), tx -> work.cancel(tx, lease, turn, CANCELLED));
    tell(lease);
  }

  boolean answer(LeaseToken lease, Taken turn, ObjectNode answer) {
    boolean left = db.inTx(organization(lease), tx -> work.answer(tx, lease, turn, answer));
    tell(lease);
    return left;
  }

  /** What the worker said is in the log. To keep it costs space, and only for a while. */
  void settled(Run run) {
    try {
      db.useTx(run.organization(), tx -> work.forgetMessages(tx, run.organization(), run.id()));
    } catch (Refusal.Unavailable away) {
      log.debug("the messages of {} go later", run.id(), away);
    }
  }

  private static OrganizationId organization(LeaseToken lease) {
    return lease.conversation().organization();
  }

  private void tell(LeaseToken lease) {
    told(lease.conversation().key());
    others.accept(News.told(lease.conversation().key()));
  }

  // What is heard of the other side.

  /** A worker took the conversation's run, or said something. */
  void said(long key) {
    RemoteWorker worker = out.get(key);
    if (worker != null) {
      worker.wake();
    }
  }

  /** As {@link #said}, for the holder wherever it is. */
  void tellHolder(long key) {
    said(key);
    others.accept(News.said(key));
  }

  /** There is something for the worker that has the conversation's run. */
  void told(long key) {
    connections.forEach(connection -> connection.hint(key));
  }

  /** Some replica offers a run; whose is found out by looking. */
  void offeredElsewhere() {
    if (!connections.isEmpty()) {
      ticker.nudge();
    }
  }

  void missed() {
    ticker.nudge();
    out.values().forEach(RemoteWorker::wake);
    connections.forEach(Connection::wake);
  }

  private void offered(AgentId agent) {
    connections.stream().filter(it -> it.me.agent().equals(agent)).forEach(Connection::wake);
  }

  // The connections' side.

  /**
   * @param polls it does not stay connected: it counts as there for a while after it was closed
   */
  Connection connect(Arrival worker, boolean polls) {
    Connected me = db.inTx(worker.organization(), tx -> work.arrive(tx, worker));
    Connection connection = new Connection(me, worker.capacity(), polls);
    connections.add(connection);
    return connection;
  }

  /** A worker's connection. */
  final class Connection implements WorkerLink {
    private final Connected me;
    private final boolean polls;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition news = lock.newCondition();
    private final Map<Long, RunId> given;
    private Set<RunId> hints = new LinkedHashSet<>();
    private boolean woken;
    private volatile @Nullable Over over;

    private Connection(Connected me, int capacity, boolean polls) {
      this.me = me;
      this.polls = polls;
      // As many as it can have, and some that it has ended: a hint about one is lost at worst.
      this.given =
          Collections.synchronizedMap(
              new LinkedHashMap<>() {
                @Override
                protected boolean removeEldestEntry(Map.Entry<Long, RunId> eldest) {
                  return size() > 2 * capacity;
                }
              });
    }

    @Override
    public List<Assignment> take() {
      return take(Integer.MAX_VALUE);
    }

    List<Assignment> take(int max) {
      List<Taken> taken = db.inTx(me.organization(), tx -> work.take(tx, me, max, deadline()));
      List<Assignment> assignments = new ArrayList<>();
      for (Taken turn : taken) {
        Optional<Run> run =
            db.inTx(me.organization(), tx -> queue.run(tx, me.organization(), turn.run()));
        run.filter(it -> it.attempt() == turn.attempt())
            .ifPresent(it -> {
              given.put(it.conversation().key(), it.id());
              assignments.add(assignment(it, turn));
              tellHolder(it.conversation().key());
            });
      }
      return assignments;
    }

    private Assignment assignment(Run run, Taken turn) {
      boolean interrupted =
          run.attempt() > 1
              && agents
                  .current(run.organization(), run.agent())
                  .filter(it -> it.definition().onWorkerLoss() == OnWorkerLoss.RESUME)
                  .isPresent();
      return new Assignment(
          run, interrupted, elsewhere.tokens().sign(Passes.scope(run, turn.epoch())));
    }

    @Override
    public List<RunId> news() {
      lock.lock();
      try {
        List<RunId> all = List.copyOf(hints);
        hints = new LinkedHashSet<>();
        return all;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void await(Duration atMost) throws InterruptedException {
      lock.lock();
      try {
        long left = atMost.toNanos();
        while (!woken && left > 0) {
          left = news.awaitNanos(left);
        }
        woken = false;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void wake() {
      lock.lock();
      try {
        woken = true;
        news.signalAll();
      } finally {
        lock.unlock();
      }
    }

    private void hint(long key) {
      RunId run = given.get(key);
      if (run != null) {
        lock.lock();
        try {
          hints.add(run);
        } finally {
          lock.unlock();
        }
        wake();
      }
    }

    @Override
    public Optional<Over> over() {
      return Optional.ofNullable(over);
    }

    private void end(Over why) {
      over = why;
      wake();
    }

    @Override
    public void close() {
      connections.remove(this);
      if (!polls && over == null) {
        try {
          db.useTx(me.organization(), tx -> work.leave(tx, me));
        } catch (Refusal.Unavailable away) {
          log.debug("a worker that left counts as there for a while", away);
        }
      }
    }
  }

  // What time alone shows.

  private boolean look() {
    if (!out.isEmpty()) {
      List<RunId> runs = out.values().stream().map(it -> it.run().id()).toList();
      Map<RunId, Standing> standings =
          db.inTx(tx -> work.standings(tx, runs)).stream()
              .collect(Collectors.toMap(Standing::run, it -> it, (one, other) -> one));
      out.values().forEach(worker -> worker.look(standings.get(worker.run().id())));
    }
    if (!connections.isEmpty()) {
      stay();
      Set<AgentId> theirs = new HashSet<>();
      connections.forEach(it -> theirs.add(it.me.agent()));
      db.inTx(tx -> work.onOffer(tx, theirs)).forEach(this::offered);
    }
    if (looks++ % TEND_EVERY == 0) {
      db.useTx(tx -> work.tend(tx, FORGET_MAX));
    }
    return false;
  }

  private void stay() {
    long now = clock.nanos();
    if (now - stayedNanos < deadline().toNanos() / 3) {
      return;
    }
    List<Connection> all = List.copyOf(connections);
    Set<UUID> kept =
        db.inTx(tx -> work.stay(tx, all.stream().map(it -> it.me).toList(), deadline()));
    stayedNanos = now;
    List<Connection> ended = all.stream().filter(it -> !kept.contains(it.me.connection())).toList();
    if (!ended.isEmpty()) {
      Set<UUID> there = db.inTx(tx -> work.present(tx, ended.stream().map(it -> it.me).toList()));
      ended.forEach(it ->
          it.end(there.contains(it.me.id()) ? WorkerLink.Over.REPLACED : WorkerLink.Over.DROPPED));
    }
  }

  /** The workers of each agent of the organization that are there now, on whichever replica. */
  Map<AgentId, RemoteWork.Crew> crews(OrganizationId organization) {
    return db.inTx(organization, tx -> work.connected(tx, organization));
  }
}
