package io.turnkeeper.cluster;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.PgSession;
import io.turnkeeper.db.Tx;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This replica's membership. A heartbeat shows that it lives, a look a few times a second how the
 * others are, each one statement whatever there is; one session connection holds its advisory lock,
 * so that the database notices at once when the process is gone.
 *
 * <p>A replica is dead when its lock has been gone for the grace, or its heartbeat is older than
 * the TTL. A missing lock proves something only to who saw it held, and held its own ever since: a
 * database that was restarted, or another one that took its place, has none of the locks. Whoever
 * notices first marks it dead and takes over what it held, in one transaction.
 *
 * <p>A replica that has not had a heartbeat confirmed for two thirds of the TTL, counted from when
 * it was sent, or that could not take its lock again within three quarters of the grace, stops its
 * workers: before anyone may take them for dead. It comes back under a new id, without a restart.
 *
 * <p>Three threads, so that no wait is in another's way: heartbeats and looks; the deadlines of
 * this replica, which hold also while the database is silent; takeovers, which may take a while.
 */
public final class Cluster implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Cluster.class);

  /** The first half of the advisory locks of replicas: "tkrp". The second is the replica's id. */
  static final int LOCK_CLASS = 0x746b_7270;

  private static final int NONE = -1;
  private static final Duration LOOK_EVERY = Duration.ofMillis(220);
  private static final Duration DEADLINE_EVERY = Duration.ofMillis(25);
  private static final Duration STOP_MAX = Duration.ofSeconds(5);
  private static final String TAKEOVER_WAIT = "500ms";

  /** Where a heartbeat got no answer, what has waited for one this long will not get one either. */
  private static final Duration SILENT_TOO = Duration.ofSeconds(1);

  private final Db db;

  /** Heartbeats have a connection of their own: work that uses up the pool cannot starve them. */
  private final Db heart;

  private final DatabaseUrl sessionUrl;
  private final ClusterConfig config;
  private final Member member;
  private final Clock clock;
  private final Notifier notifier;
  private final CountDownLatch closed = new CountDownLatch(1);
  private final List<Thread> threads;
  private final Map<Integer, Long> lockMissingSince = new HashMap<>();
  private final SeenLocks seenLocks = new SeenLocks();
  private final Set<Integer> suspected = ConcurrentHashMap.newKeySet();
  private final BlockingQueue<Integer> suspects = new LinkedBlockingQueue<>();

  /** Held while this replica's standing changes: to be fenced is over before it joins again. */
  private final Object standing = new Object();

  private volatile int me = NONE;
  private volatile boolean fenced = true;
  private volatile long confirmedNanos;
  private volatile boolean alone;
  private volatile @Nullable PgSession session;
  private volatile OffsetDateTime joinedAt = OffsetDateTime.MIN;
  private long beatNanos;

  /** When the last look was sent that saw this replica's own lock. */
  private long lockedNanos;

  private @Nullable OffsetDateTime serverStartedAt;

  /** What an operator wants of it; kept when it comes back under another id. */
  private volatile @Nullable Integer wantedLeases;

  public Cluster(Db db, DatabaseUrl sessionUrl, ClusterConfig config, Member member, Clock clock) {
    this(db, heart(sessionUrl, config), sessionUrl, config, member, clock);
  }

  /** With heartbeats over connections from elsewhere. */
  Cluster(
      Db db, Db heart, DatabaseUrl sessionUrl, ClusterConfig config, Member member, Clock clock) {
    this.db = db;
    this.heart = heart;
    this.sessionUrl = sessionUrl;
    this.config = config;
    this.member = member;
    this.clock = clock;
    this.notifier = new Notifier(db, () -> me, () -> !alone && !fenced);
    this.threads =
        List.of(
            thread("cluster", this::beatAndWatch),
            thread("cluster-deadline", this::holdDeadline),
            thread("cluster-takeover", this::takeOver));
  }

  private static Db heart(DatabaseUrl url, ClusterConfig config) {
    Duration third = config.ttl().dividedBy(3);
    return Db.open(url, 1, new Db.Waits(third, third, third));
  }

  /** Platform threads: work cannot starve them of a carrier. */
  private static Thread thread(String name, Runnable task) {
    return Thread.ofPlatform().name(name).daemon().priority(Thread.MAX_PRIORITY).unstarted(task);
  }

  /**
   * Joins and begins to show that it lives.
   *
   * @throws Refusal.Unavailable the database does not answer
   */
  public void start() {
    join();
    threads.forEach(Thread::start);
    notifier.start();
  }

  /** Tells the other replicas, soon and together with what else there is. Never waits. */
  public void tell(News news) {
    notifier.tell(news);
  }

  /** The id under which this replica is a member now; empty while it is fenced. */
  public OptionalInt replica() {
    return fenced ? OptionalInt.empty() : OptionalInt.of(me);
  }

  /** Those alive, and those that ended within the hour; the newest first. */
  public List<ReplicaInfo> replicas() {
    return db.inTx(tx ->
        tx.query(ClusterSql.LIST)
            .map((row, context) ->
                new ReplicaInfo(
                    row.getInt("id"),
                    row.getString("state"),
                    row.getString("host"),
                    row.getLong("pid"),
                    row.getString("address"),
                    row.getString("version"),
                    row.getInt("max_leases"),
                    row.getObject("wanted_leases", Integer.class),
                    row.getLong("leases"),
                    row.getLong("heartbeat_age_ms"),
                    row.getObject("started_at", OffsetDateTime.class).toInstant(),
                    ended(row)))
            .list());
  }

  private static @Nullable Instant ended(ResultSet row) throws SQLException {
    OffsetDateTime at = row.getObject("ended_at", OffsetDateTime.class);
    return at == null ? null : at.toInstant();
  }

  /**
   * Says how many leases a replica may hold, here or elsewhere. It follows within a second, while
   * it runs; null gives it back its own cap, 0 drains it.
   *
   * @return false when there is no such replica alive
   */
  public boolean want(int replica, @Nullable Integer leases) {
    return db.inTx(
        tx -> tx.update(ClusterSql.WANT).bind("id", replica).bind("leases", leases).execute() == 1);
  }

  /** Tells the others that this replica takes no more. */
  public void draining() {
    int id = me;
    db.useTx(tx -> tx.update(ClusterSql.DRAINING).bind("id", id).execute());
  }

  /**
   * Leaves. What it held should have been given back before; what was not is taken over by others,
   * as from one that died.
   */
  @Override
  public void close() {
    notifier.close();
    closed.countDown();
    threads.forEach(Thread::interrupt);
    try {
      for (Thread thread : threads) {
        // One that never joined has none to wait for.
        if (thread.getState() != Thread.State.NEW) {
          thread.join(STOP_MAX);
        }
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
    synchronized (standing) {
      if (!fenced) {
        fenced = true;
        if (!leave(me)) {
          // The lock goes with the session: nothing may be at work under the leases then.
          member.fenced();
        }
      }
      closeSession();
    }
    heart.close();
  }

  private void beatAndWatch() {
    while (closed.getCount() > 0) {
      try {
        tick();
      } catch (RuntimeException failed) {
        log.warn("a step of the cluster failed", failed);
      }
      pause(nextLook());
    }
  }

  private void holdDeadline() {
    while (closed.getCount() > 0) {
      try {
        fenceIfOverdue();
      } catch (RuntimeException failed) {
        log.error("stopping the workers of a fenced replica failed", failed);
      }
      pause(DEADLINE_EVERY);
    }
  }

  private void takeOver() {
    while (closed.getCount() > 0) {
      try {
        bury(suspects.take());
      } catch (InterruptedException stopping) {
        return;
      }
    }
  }

  /** One step: tells the others what has gathered. */
  void tellOthers() {
    notifier.step();
  }

  /** Who is to be buried next, if anybody is: for who takes the steps by itself. */
  OptionalInt nextSuspect() {
    Integer next = suspects.poll();
    return next == null ? OptionalInt.empty() : OptionalInt.of(next);
  }

  private void pause(Duration time) {
    try {
      if (closed.await(time.toNanos(), TimeUnit.NANOSECONDS)) {
        log.trace("closing");
      }
    } catch (InterruptedException stopping) {
      // The loop looks at whether it is over.
    }
  }

  /** In a moment; sooner when somebody's grace ends before. */
  private Duration nextLook() {
    long now = clock.nanos();
    long wait = Math.min(LOOK_EVERY.toNanos(), config.heartbeat().toNanos());
    for (long since : lockMissingSince.values()) {
      wait = Math.min(wait, since + config.grace().toNanos() - now);
    }
    return Duration.ofNanos(Math.max(wait, DEADLINE_EVERY.toNanos()));
  }

  /** One step: a look at the others, with a heartbeat when one is due. */
  void tick() {
    if (fenced) {
      rejoin();
      return;
    }
    int life = sessionLife();
    long sent = clock.nanos();
    boolean beats = sent - beatNanos >= config.heartbeat().toNanos();
    List<Seen> seen;
    try {
      seen = look(beats);
    } catch (Refusal.Unavailable away) {
      // A heartbeat whose outcome is unknown counts as lost; the next is sent with the next look.
      db.abandon(SILENT_TOO);
      return;
    }
    synchronized (standing) {
      // What arrives after the deadline confirms nothing: the leases may have been taken already.
      if (fenceIfOverdue()) {
        return;
      }
      if (seen.stream().noneMatch(Seen::me)) {
        log.warn("replica {} was declared dead: starting over", me);
        fence();
        return;
      }
      if (beats) {
        beatNanos = sent;
        confirmedNanos = sent;
      }
    }
    if (beats) {
      member.confirmed(Duration.ofNanos(clock.nanos() - sent));
    }
    alone = seen.size() == 1;
    boolean holding = seen.stream().anyMatch(one -> one.me() && one.locked());
    checkSession(seen.getFirst().serverStartedAt(), holding, life, sent);
    if (seenLocks.begin(holding && life == sessionLife() ? life : SeenLocks.NOTHING_HOLDS)) {
      lockMissingSince.clear();
    }
    for (Seen one : seen) {
      if (one.me()) {
        follow(one.wantedLeases());
      } else if (isDead(one)) {
        suspect(one.id());
      }
    }
    lockMissingSince.keySet().retainAll(seen.stream().map(Seen::id).toList());
  }

  /** What a look says of this replica's session, which may not have noticed. */
  private void checkSession(OffsetDateTime server, boolean holding, int life, long sent) {
    PgSession open = session;
    if (open == null) {
      return;
    }
    if (server.equals(serverStartedAt)) {
      open.serverLives();
    }
    serverStartedAt = server;
    if (holding) {
      lockedNanos = sent;
    } else if (life != SeenLocks.NOTHING_HOLDS) {
      open.missed(life, lockedNanos);
    }
  }

  private void follow(@Nullable Integer wanted) {
    if (!Objects.equals(wanted, wantedLeases)) {
      wantedLeases = wanted;
      member.wanted(wanted);
    }
  }

  /** One step: whether this replica can still show that it lives. Never waits for the database. */
  boolean fenceIfOverdue() {
    synchronized (standing) {
      if (fenced) {
        return true;
      }
      PgSession open = session;
      Duration silent = Duration.ofNanos(clock.nanos() - confirmedNanos);
      boolean overdue = silent.compareTo(config.ttl().multipliedBy(2).dividedBy(3)) > 0;
      boolean lockGone = open == null || lockIsGone(open);
      if (overdue || lockGone) {
        log.warn(
            "replica {} cannot show that it lives ({}): stopping its workers",
            me,
            overdue
                ? "no heartbeat confirmed for " + silent.toMillis() + " ms"
                : "its lock is gone");
        fence();
        return true;
      }
      return false;
    }
  }

  /**
   * Long enough for others to see it soon. When the server itself has ended nobody sees anything:
   * only the heartbeats count then.
   */
  private boolean lockIsGone(PgSession open) {
    return open.lostFor().compareTo(config.grace().multipliedBy(3).dividedBy(4)) > 0
        && !open.serverDown();
  }

  /** Which of its session's connections holds the lock; 0 when none does. */
  private int sessionLife() {
    PgSession open = session;
    return open == null || !open.lostFor().isZero() ? SeenLocks.NOTHING_HOLDS : open.life();
  }

  private void fence() {
    fenced = true;
    try {
      member.fenced();
      // What is under way is refused, or goes to a database that does not answer.
      db.abandon(Duration.ZERO);
    } finally {
      closeSession();
    }
  }

  private void rejoin() {
    try {
      join();
    } catch (Refusal.Unavailable away) {
      log.debug("the database is still away");
    }
  }

  void join() {
    long sent = clock.nanos();
    AtomicInteger joined = new AtomicInteger(NONE);
    PgSession fresh;
    try {
      fresh =
          PgSession.open(
              sessionUrl,
              clock,
              new PgSession.Takes(
                  connection -> joined.set(insertAndLock(connection)),
                  connection -> SessionLock.takeAgain(connection, joined.get())),
              new Ear());
    } catch (SQLException failed) {
      throw new Refusal.Unavailable(
          "database_unavailable",
          "the session connection cannot be opened (SQLSTATE " + failed.getSQLState() + ")",
          Duration.ofSeconds(1));
    }
    int id = joined.get();
    synchronized (standing) {
      session = fresh;
      me = id;
      beatNanos = sent;
      confirmedNanos = sent;
      lockedNanos = sent;
      alone = false;
      fenced = false;
      log.info("joined as replica {}", id);
      member.confirmed(Duration.ofNanos(clock.nanos() - sent));
      member.joined(id);
    }
  }

  private int insertAndLock(Connection connection) throws SQLException {
    try (PreparedStatement join = connection.prepareStatement(ClusterSql.JOIN)) {
      join.setString(1, config.host());
      join.setLong(2, ProcessHandle.current().pid());
      join.setString(3, config.address());
      join.setString(4, config.version());
      join.setInt(5, member.maxLeases());
      join.setObject(6, wantedLeases, Types.INTEGER);
      join.setInt(7, LOCK_CLASS);
      SessionLock.Taken taken = SessionLock.taken(join);
      joinedAt = taken.since();
      SessionLock.listen(connection, taken.id());
      return taken.id();
    }
  }

  private final class Ear implements PgSession.Listener {
    @Override
    public void notified(String payload) {
      List<News> heard = Notifier.heard(me, payload);
      alone &= payload.startsWith(me + ":");
      heard.forEach(member::heard);
    }

    @Override
    public void back() {
      member.missed();
    }
  }

  private List<Seen> look(boolean beats) {
    return heart.inTx(tx ->
        (beats
                ? tx.query(ClusterSql.BEAT).bind("max_leases", member.maxLeases())
                : tx.query(ClusterSql.WATCH))
            .bind("me", me)
            .bind("joined_at", joinedAt)
            .bind("class", LOCK_CLASS)
            .map((row, context) -> Seen.read(row))
            .list());
  }

  private boolean isDead(Seen other) {
    if (other.heartbeatAgeMillis() > config.ttl().toMillis()) {
      return true;
    }
    if (other.locked()) {
      seenLocks.add(other.id());
      lockMissingSince.remove(other.id());
      return false;
    }
    if (!seenLocks.saw(other.id())) {
      return false;
    }
    Long since = lockMissingSince.putIfAbsent(other.id(), clock.nanos());
    if (since == null) {
      member.mayBeGone(other.id());
    }
    return since != null && clock.nanos() - since >= config.grace().toNanos();
  }

  private void suspect(int replica) {
    if (suspected.add(replica)) {
      suspects.add(replica);
    }
  }

  /**
   * One step: marks a replica dead and takes over what it held, in one transaction; unless another
   * did, or it came back, or this one is itself no longer a member. Whoever is still dead is seen
   * again at the next look.
   */
  void bury(int dead) {
    suspected.remove(dead);
    int taker = me;
    if (fenced || taker == dead) {
      return;
    }
    List<Runnable> after = new ArrayList<>();
    try {
      db.useTx(tx -> {
        tx.query(ClusterSql.LIMIT_WAIT).bind("timeout", TAKEOVER_WAIT).mapTo(String.class).one();
        if (TakeoverLocks.both(tx, dead, taker) && stillGone(tx, dead, taker)) {
          tx.update(ClusterSql.END).bind("state", "dead").bind("id", dead).execute();
          after.add(member.takeOver(tx, dead, taker));
        }
      });
    } catch (RuntimeException failed) {
      log.info("replica {} could not be taken over yet: {}", dead, failed.getMessage());
      return;
    }
    if (!after.isEmpty()) {
      log.warn("replica {} is dead", dead);
      after.forEach(Runnable::run);
    }
  }

  /** Whether it left in good order, so that nothing is left to take over. */
  private boolean leave(int id) {
    try {
      boolean left = db.inTx(tx -> tx.update(ClusterSql.LEAVE).bind("id", id).execute() == 1);
      if (!left) {
        log.warn("replica {} leaves with leases that it could not give back: others take over", id);
      }
      return left;
    } catch (RuntimeException away) {
      log.info("could not say goodbye to the database: the others will notice");
      return false;
    }
  }

  private boolean stillGone(Tx tx, int dead, int taker) {
    ClusterSql.Gone gone =
        tx.query(ClusterSql.STILL_GONE)
            .bind("dead", dead)
            .bind("taker", taker)
            .bind("class", LOCK_CLASS)
            .bind("ttl_ms", config.ttl().toMillis())
            .map((row, context) ->
                new ClusterSql.Gone(row.getBoolean("silent"), row.getBoolean("unlocked")))
            .one();
    // Looked at behind the statement: had the database been another one, so would this be.
    return gone.silent() || (gone.unlocked() && seenLocks.saw(dead, sessionLife()));
  }

  private void closeSession() {
    PgSession open = session;
    session = null;
    if (open != null) {
      open.close();
    }
  }
}
