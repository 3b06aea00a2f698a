package io.turnkeeper.cluster;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This replica's membership. One statement every heartbeat shows that it lives and looks at the
 * others; one session connection holds its advisory lock, so that the database notices at once when
 * the process is gone.
 *
 * <p>A replica is dead when its lock has been gone for the grace, or its heartbeat is older than
 * the TTL. A lock that is missing since the server started proves nothing until the TTL has passed
 * since then. Whoever notices first marks it dead and takes over what it held, in one transaction.
 *
 * <p>A replica that has not had a heartbeat confirmed for two thirds of the TTL, counted from when
 * it was sent, or that could not take its lock again within three quarters of the grace, stops its
 * workers: before anyone may take them for dead. It comes back under a new id, without a restart.
 */
public final class Cluster implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Cluster.class);

  /** The first half of the advisory locks of replicas: "tkrp". The second is the replica's id. */
  static final int LOCK_CLASS = 0x746b_7270;

  private static final int NONE = -1;

  private final Db db;
  private final DatabaseUrl sessionUrl;
  private final ClusterConfig config;
  private final Member member;
  private final Clock clock;
  private final CountDownLatch closed = new CountDownLatch(1);
  private final Thread thread;
  private final Map<Integer, Long> lockMissingSince = new HashMap<>();
  private volatile int me = NONE;
  private volatile boolean fenced = true;
  private int formerly = NONE;
  private long confirmedNanos;
  private @Nullable SessionConnection session;

  private record Seen(
      int id, boolean me, long heartbeatAgeMillis, boolean locked, long serverAgeMillis) {}

  public Cluster(Db db, DatabaseUrl sessionUrl, ClusterConfig config, Member member, Clock clock) {
    this.db = db;
    this.sessionUrl = sessionUrl;
    this.config = config;
    this.member = member;
    this.clock = clock;
    // A platform thread of its own: work cannot starve it of a carrier.
    this.thread =
        Thread.ofPlatform()
            .name("cluster")
            .daemon()
            .priority(Thread.MAX_PRIORITY)
            .unstarted(this::run);
  }

  /**
   * Joins and begins to show that it lives.
   *
   * @throws Refusal.Unavailable the database does not answer
   */
  public void start() {
    join();
    thread.start();
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
                    row.getLong("leases"),
                    row.getLong("heartbeat_age_ms"),
                    row.getObject("started_at", OffsetDateTime.class).toInstant()))
            .list());
  }

  /** Tells the others that this replica takes no more. */
  public void draining() {
    int id = me;
    db.useTx(tx -> tx.update(ClusterSql.DRAINING).bind("id", id).execute());
  }

  /** Leaves. Everything it held must have been given back before. */
  @Override
  public void close() {
    closed.countDown();
    thread.interrupt();
    try {
      thread.join(Duration.ofSeconds(5));
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
    int id = me;
    if (!fenced) {
      fenced = true;
      try {
        db.useTx(tx -> tx.update(ClusterSql.END).bind("state", "stopped").bind("id", id).execute());
      } catch (RuntimeException away) {
        log.info("could not say goodbye to the database: the others will notice");
      }
    }
    closeSession();
  }

  private void run() {
    while (closed.getCount() > 0) {
      try {
        tick();
        if (closed.await(config.heartbeat().toMillis(), TimeUnit.MILLISECONDS)) {
          return;
        }
      } catch (InterruptedException stopping) {
        return;
      } catch (RuntimeException failed) {
        log.warn("a step of the cluster failed", failed);
        fenceIfOverdue();
      }
    }
  }

  /** One step: at most a heartbeat and what it shows. */
  void tick() {
    if (fenced) {
      rejoin();
      return;
    }
    long sent = clock.nanos();
    List<Seen> seen;
    try {
      seen = beat();
    } catch (Refusal.Unavailable away) {
      fenceIfOverdue();
      return;
    }
    if (seen.stream().noneMatch(Seen::me)) {
      log.warn("replica {} was declared dead: starting over", me);
      fence();
      return;
    }
    // What arrives after the deadline confirms nothing: the workers may have been taken over
    // already.
    if (fenceIfOverdue()) {
      return;
    }
    confirmedNanos = sent;
    member.confirmed();
    for (Seen other : seen) {
      if (!other.me() && isDead(other)) {
        bury(other.id());
      }
    }
    lockMissingSince.keySet().retainAll(seen.stream().map(Seen::id).toList());
  }

  private boolean fenceIfOverdue() {
    if (fenced) {
      return true;
    }
    SessionConnection open = session;
    Duration silent = Duration.ofNanos(clock.nanos() - confirmedNanos);
    boolean lockGone =
        open == null || open.lostFor().compareTo(config.grace().multipliedBy(3).dividedBy(4)) > 0;
    boolean overdue = silent.compareTo(config.ttl().multipliedBy(2).dividedBy(3)) > 0;
    if (lockGone && silent.compareTo(config.heartbeat()) > 0 || overdue) {
      log.warn("replica {} cannot show that it lives: stopping its workers", me);
      fence();
      return true;
    }
    return false;
  }

  private void fence() {
    fenced = true;
    formerly = me;
    member.fenced();
    closeSession();
  }

  private void rejoin() {
    try {
      join();
      int old = formerly;
      formerly = NONE;
      if (old != NONE) {
        bury(old);
      }
    } catch (Refusal.Unavailable away) {
      log.debug("the database is still away");
    }
  }

  private void join() {
    long sent = clock.nanos();
    int id =
        db.inTx(tx ->
            tx.query(ClusterSql.JOIN)
                .bind("host", config.host())
                .bind("pid", ProcessHandle.current().pid())
                .bind("address", config.address())
                .bind("version", config.version())
                .bind("max_leases", member.maxLeases())
                .mapTo(Integer.class)
                .one());
    SessionConnection fresh = new SessionConnection(sessionUrl, id, clock);
    try {
      fresh.open();
    } catch (SQLException failed) {
      throw new Refusal.Unavailable(
          "database_unavailable",
          "the session connection cannot be opened (SQLSTATE " + failed.getSQLState() + ")",
          Duration.ofSeconds(1));
    }
    session = fresh;
    me = id;
    confirmedNanos = sent;
    fenced = false;
    log.info("joined as replica {}", id);
    member.joined(id);
  }

  private List<Seen> beat() {
    return db.inTx(tx ->
        tx.query(ClusterSql.BEAT)
            .bind("me", me)
            .bind("class", LOCK_CLASS)
            .bind("max_leases", member.maxLeases())
            .map((row, context) ->
                new Seen(
                    row.getInt("id"),
                    row.getBoolean("me"),
                    row.getLong("heartbeat_age_ms"),
                    row.getBoolean("locked"),
                    row.getLong("server_age_ms")))
            .list());
  }

  private boolean isDead(Seen other) {
    if (other.heartbeatAgeMillis() > config.ttl().toMillis()) {
      return true;
    }
    if (other.locked() || other.serverAgeMillis() < config.ttl().toMillis()) {
      lockMissingSince.remove(other.id());
      return false;
    }
    long since = lockMissingSince.computeIfAbsent(other.id(), id -> clock.nanos());
    return clock.nanos() - since >= config.grace().toNanos();
  }

  /**
   * Marks a replica dead and takes over what it held, in one transaction; unless another did, or it
   * came back.
   */
  private void bury(int dead) {
    List<Runnable> after = new ArrayList<>();
    int taker = me;
    db.useTx(tx -> {
      if (locked(tx, dead) && stillGone(tx, dead)) {
        tx.update(ClusterSql.END).bind("state", "dead").bind("id", dead).execute();
        after.add(member.takeOver(tx, dead, taker));
        log.warn("replica {} is dead", dead);
      }
    });
    after.forEach(Runnable::run);
    lockMissingSince.remove(dead);
  }

  private static boolean locked(Tx tx, int dead) {
    return tx.query(ClusterSql.LOCK_REPLICA)
        .bind("dead", dead)
        .mapTo(Integer.class)
        .findOne()
        .isPresent();
  }

  private boolean stillGone(Tx tx, int dead) {
    return tx.query(ClusterSql.STILL_GONE)
        .bind("dead", dead)
        .bind("class", LOCK_CLASS)
        .bind("ttl_ms", config.ttl().toMillis())
        .mapTo(Boolean.class)
        .one();
  }

  private void closeSession() {
    SessionConnection open = session;
    session = null;
    if (open != null) {
      open.close();
    }
  }
}
