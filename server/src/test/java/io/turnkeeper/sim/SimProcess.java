package io.turnkeeper.sim;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.cluster.ClusterConfig;
import io.turnkeeper.cluster.Member;
import io.turnkeeper.cluster.News;
import io.turnkeeper.cluster.SimCluster;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.SimDb;
import io.turnkeeper.db.Tx;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.orchestrator.Orchestrator;
import io.turnkeeper.orchestrator.SimOrchestrator;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.snapshot.Snapshots;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadFactory;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** One server process: the production code, put together as the server does it. */
final class SimProcess {
  /** The loops of a process; each takes one step at a time. */
  enum Loop {
    CLUSTER,
    DEADLINE,
    BURY,
    TELL,
    DISPATCH,
    KEEP,
    LOOK
  }

  private final Engine engine;
  final String name;
  final SimClock clock;
  final SimWorkers workers;
  private final SessionLine line = new SessionLine();
  private final Queue<Runnable> ready = new ConcurrentLinkedQueue<>();
  private final String sessionUrl;
  final SimCluster cluster;
  final SimOrchestrator orchestrator;
  private final Map<Loop, Actor> steps = new EnumMap<>(Loop.class);
  final Map<Loop, Long> due = new EnumMap<>(Loop.class);
  final List<Link> links = new ArrayList<>();

  /** The ids under which it has been a member. */
  final Set<Integer> ids = new LinkedHashSet<>();

  /** News on their way to its session connection. */
  final List<String> mail = new ArrayList<>();

  volatile @Nullable Link session;
  boolean paused;
  boolean dead;
  boolean away;
  boolean joined;

  /** What happens to its next commit, once. */
  Engine.@Nullable Fate nextCommit;

  /** Without a beat for so long, its workers are killed. */
  Duration wardenSilence = Duration.ZERO;

  private long beatNanos;

  SimProcess(Engine engine, String name, Path data, ClusterConfig config, Duration skew) {
    this.engine = engine;
    this.name = name;
    this.clock = new SimClock(this, skew);
    this.workers = new SimWorkers(this);
    this.sessionUrl = SimDriver.url(this);
    this.beatNanos = engine.nanos();
    Db db = SimDb.over(new Source(), factory("writer"), engine::nanos);
    this.orchestrator =
        new SimOrchestrator(
            new Orchestrator.Capabilities(
                db,
                new ConversationStore(),
                new RunQueue(),
                new EventLog(Duration.ofDays(10)),
                new Snapshots(db, new Snapshots.Limits(1 << 20, 100, 3)),
                workers,
                new Agents(db),
                news -> told().tell(news)),
            new Orchestrator.Limits(data.resolve(name), 3, 1 << 30),
            clock,
            new SimOrchestrator.Made(factory("session"), engine::newRunId));
    this.cluster =
        new SimCluster(db, DatabaseUrl.parse(sessionUrl), config, new Membership(), clock);
  }

  private SimCluster told() {
    return cluster;
  }

  Engine engine() {
    return engine;
  }

  SessionLine line() {
    return line;
  }

  /** Called from any thread: a stretch of one of its actors can be run. */
  void resume(Runnable stretch) {
    ready.add(stretch);
    engine.signal();
  }

  @Nullable Runnable next() {
    return paused || dead ? null : ready.poll();
  }

  boolean hasReady() {
    return !paused && !dead && !ready.isEmpty();
  }

  private ThreadFactory factory(String what) {
    return task -> new Actor(this, Actor.Kind.OTHER, what + " of " + name, task).thread();
  }

  Executor executor() {
    return task -> new Actor(this, Actor.Kind.OTHER, "client of " + name, task).start();
  }

  boolean idle(Loop loop) {
    Actor last = steps.get(loop);
    return last == null || last.done();
  }

  boolean waitsOutside() {
    return !paused && !dead && steps.values().stream().anyMatch(Actor::waitsOutside);
  }

  /** Takes a step of a loop, as far as it goes without the database. */
  void step(Loop loop) {
    steps.put(
        loop, new Actor(this, Actor.Kind.STEP, loop + " of " + name, () -> take(loop)).start());
  }

  private void take(Loop loop) {
    try {
      switch (loop) {
        case CLUSTER -> {
          if (joined) {
            cluster.tick();
          } else {
            cluster.join();
            joined = true;
          }
        }
        case DEADLINE -> cluster.fenceIfOverdue();
        case BURY -> cluster.nextSuspect().ifPresent(cluster::bury);
        case TELL -> cluster.tellOthers();
        case DISPATCH -> {
          if (orchestrator.dispatch()) {
            due.put(Loop.DISPATCH, engine.nanos());
          }
        }
        case KEEP -> orchestrator.keep();
        case LOOK -> orchestrator.look();
      }
    } catch (Refusal.Unavailable databaseAway) {
      engine.note(name + " " + loop + ": the database is away");
    } catch (RuntimeException failed) {
      // As the loops in production: it is logged, and the next step tried.
      engine.note(name + " " + loop + " failed: " + failed);
    }
  }

  /** A session connection for whoever of this process asks. */
  Connection openSession() throws SQLException {
    if (Actor.current() == null) {
      return line.connect();
    }
    Link link = (Link) engine.wire(null, Op.Kind.CONNECT, "session of " + name, this::firstSession);
    if (link == null) {
      throw Link.lost();
    }
    return link.face();
  }

  private Link firstSession() {
    line.begin();
    return newSession();
  }

  /** On the simulator's thread. */
  Link newSession() {
    Link link = new Link(this, engine.database().take(), true);
    links.add(link);
    session = link;
    engine.checker().lockBack(this);
    return link;
  }

  /** kill -9, or the end of the simulation. */
  void kill() {
    dead = true;
    line.kill();
    ready.clear();
    workers.allGone();
    SimDriver.forget(sessionUrl);
  }

  /** The warden: it runs beside the process, and kills its workers when that falls silent. */
  void warden() {
    if (engine.nanos() - beatNanos > wardenSilence.toNanos()) {
      workers.allGone();
    }
  }

  @Override
  public String toString() {
    return name;
  }

  private final class Membership implements Member {
    @Override
    public void joined(int replica) {
      ids.add(replica);
      line.started();
      engine.note(name + " is replica " + replica);
      orchestrator.joined(replica);
    }

    @Override
    public void fenced() {
      engine.note(name + " fences itself");
      orchestrator.fenced();
    }

    @Override
    public void confirmed(Duration ago) {
      beatNanos = engine.nanos() - ago.toNanos();
    }

    @Override
    public Runnable takeOver(Tx tx, int dead, int taker) {
      engine.note(name + " takes over from replica " + dead);
      return orchestrator.takeOver(tx, dead, taker);
    }

    @Override
    public void heard(News news) {
      orchestrator.heard(news);
    }

    @Override
    public void missed() {
      orchestrator.missed();
    }

    @Override
    public int maxLeases() {
      return orchestrator.cap();
    }
  }

  private final class Source implements DataSource {
    @Override
    public Connection getConnection() {
      Actor actor = Actor.current();
      if (actor == null) {
        throw new IllegalStateException("a thread that is none of the simulation's");
      }
      Link link = new Link(SimProcess.this, engine.database().take(), false);
      links.add(link);
      return link.face();
    }

    @Override
    public Connection getConnection(String user, String password) {
      return getConnection();
    }

    @Override
    public @Nullable PrintWriter getLogWriter() {
      return null;
    }

    @Override
    public void setLogWriter(PrintWriter out) {}

    @Override
    public void setLoginTimeout(int seconds) {}

    @Override
    public int getLoginTimeout() {
      return 0;
    }

    @Override
    public Logger getParentLogger() throws SQLFeatureNotSupportedException {
      throw new SQLFeatureNotSupportedException();
    }

    @Override
    public <T> T unwrap(Class<T> type) throws SQLException {
      throw new SQLException("not wrapped");
    }

    @Override
    public boolean isWrapperFor(Class<?> type) {
      return false;
    }
  }
}
