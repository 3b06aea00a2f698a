package io.turnkeeper.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Clock;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.db.PgSession;
import io.turnkeeper.db.Tx;
import io.turnkeeper.db.Wire;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

@DbTest
@Promise(1)
class ClusterTest {
  private static final Duration TTL = Duration.ofSeconds(6);
  private static final Duration GRACE = Duration.ofMillis(400);
  private static final long PATIENCE_SECONDS = 60;

  private final Db db;
  private final DatabaseUrl url;
  private final List<AutoCloseable> open = new ArrayList<>();

  ClusterTest(Db db, DatabaseUrl url) {
    this.db = db;
    this.url = url;
  }

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable part : open.reversed()) {
      part.close();
    }
    open.clear();
    db.useTx(tx -> tx.update("DELETE FROM replicas").execute());
  }

  @Test
  void a_dead_replica_is_taken_over_by_exactly_one() throws Exception {
    Recorder one = new Recorder();
    Recorder two = new Recorder();
    start(one, GRACE);
    start(two, GRACE);
    int gone = stranger("now() - interval '1 hour'");
    assertThat(poll(one.takenOver, two.takenOver)).isEqualTo(gone);
    awaitState(gone, "dead");
    assertThat(one.takenOver).isEmpty();
    assertThat(two.takenOver).isEmpty();
    assertThat(one.fenced).isEmpty();
    assertThat(two.fenced).isEmpty();
  }

  @Test
  void a_lock_that_was_seen_and_is_gone_for_the_grace_is_death() throws Exception {
    Recorder one = new Recorder();
    ByHand clock = new ByHand();
    Cluster cluster = made(one, GRACE, clock);
    cluster.join();
    int other = stranger("now() + interval '1 hour'");
    try (PgSession held = session(other)) {
      assertThat(held.lostFor()).isZero();
      cluster.tick();
      cluster.bury(other);
      assertThat(one.takenOver).isEmpty();
    }
    await(() -> lockHolder(other) == 0);
    assertThat(one.maybeGone).isEmpty();
    cluster.tick();
    cluster.tick();
    assertThat(one.maybeGone).as("told once, and before the grace is over").containsExactly(other);
    clock.advance(GRACE);
    cluster.tick();
    cluster.bury(other);
    assertThat(one.takenOver).containsExactly(other);
  }

  @Test
  void a_lock_that_nobody_saw_proves_nothing_as_after_a_failover() {
    Recorder one = new Recorder();
    ByHand clock = new ByHand();
    Cluster cluster = made(one, GRACE, clock);
    cluster.join();
    int slower = stranger("now() + interval '1 hour'");
    for (int looks = 0; looks < 5; looks++) {
      cluster.tick();
      clock.advance(GRACE);
      cluster.bury(slower);
    }
    assertThat(one.takenOver).isEmpty();
    assertThat(state(slower)).isEqualTo("live");
  }

  @Test
  void what_was_seen_before_the_own_session_was_cut_proves_nothing_after_it() throws Exception {
    Recorder one = new Recorder();
    ByHand clock = new ByHand();
    Cluster cluster = made(one, GRACE, clock);
    cluster.join();
    int me = cluster.replica().orElseThrow();
    int other = stranger("now() + interval '1 hour'");
    try (PgSession held = session(other)) {
      assertThat(held.lostFor()).isZero();
      cluster.tick();
    }
    await(() -> lockHolder(other) == 0);
    int before = lockHolder(me);
    db.useTx(tx ->
        tx.query("SELECT pg_terminate_backend(:pid)")
            .bind("pid", before)
            .mapTo(Boolean.class)
            .one());
    await(() -> lockHolder(me) != 0 && lockHolder(me) != before);
    cluster.bury(other);
    cluster.tick();
    clock.advance(GRACE);
    cluster.tick();
    cluster.bury(other);
    assertThat(one.takenOver).isEmpty();
  }

  private PgSession session(int id) throws SQLException {
    return PgSession.open(url, Clock.system(), new PgSession.Takes(lock(id), lock(id)), new Deaf());
  }

  @Test
  void an_old_heartbeat_is_death_whatever_the_lock_says() throws Exception {
    int silent = stranger("now() - interval '1 hour'");
    open.add(session(silent));
    Recorder one = new Recorder();
    start(one, GRACE);
    assertThat(poll(one.takenOver)).isEqualTo(silent);
  }

  @Test
  void a_cut_session_takes_its_lock_back_and_nothing_moves() throws Exception {
    Recorder one = new Recorder();
    Recorder two = new Recorder();
    Duration generous = Duration.ofSeconds(20);
    Cluster first = start(one, generous);
    start(two, generous);
    int id = first.replica().orElseThrow();
    int before = lockHolder(id);
    db.useTx(tx ->
        tx.query("SELECT pg_terminate_backend(:pid)")
            .bind("pid", before)
            .mapTo(Boolean.class)
            .one());
    await(() -> lockHolder(id) != 0 && lockHolder(id) != before);
    assertThat(first.replica()).hasValue(id);
    assertThat(one.fenced).isEmpty();
    assertThat(two.takenOver).isEmpty();
    assertThat(one.next(one.missed)).isEqualTo(id);
  }

  @Test
  void what_one_replica_tells_reaches_the_others_once_and_not_itself() throws Exception {
    Recorder one = new Recorder();
    Recorder two = new Recorder();
    Cluster first = start(one, GRACE);
    start(two, GRACE);
    // To nobody nothing is told: the greeting of the second may still be on its way.
    News whoIsThere = News.asked(1);
    await(() -> {
      first.tell(whoIsThere);
      return !two.heard.isEmpty();
    });
    List<News> told = new ArrayList<>(List.of(News.ready(), News.asked(7), News.letGo(1L << 40)));
    for (long key = 1; key <= 5_000; key++) {
      told.add(News.changed(key));
    }
    told.forEach(first::tell);
    List<News> heard = new ArrayList<>();
    while (heard.size() < told.size()) {
      News news = two.heard.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      assertThat(news).isNotNull();
      if (!news.equals(whoIsThere)) {
        heard.add(news);
      }
    }
    assertThat(heard).containsExactlyElementsOf(told);
    assertThat(one.heard).isEmpty();
  }

  @Test
  void foreign_notifications_are_passed_over() {
    for (String payload : List.of("", ":", "7", "x:e", "8:e-", "8:eé,,q1,e", "7:e1")) {
      assertThat(Notifier.heard(7, payload)).isEmpty();
    }
    assertThat(Notifier.heard(7, "8:e1,zz,a10")).containsExactly(News.changed(1), News.asked(36));
  }

  @Test
  void a_replica_that_was_declared_dead_stops_its_workers_and_returns_under_a_new_id()
      throws Exception {
    Recorder one = new Recorder();
    Cluster cluster = start(one, GRACE);
    int id = one.next(one.joined);
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id").bind("id", id).execute());
    assertThat(one.next(one.fenced)).isEqualTo(id);
    int again = one.next(one.joined);
    assertThat(again).isGreaterThan(id);
    await(() -> cluster.replica().orElse(-1) == again);
  }

  @Test
  void a_replica_whose_heartbeats_get_no_answer_stops_before_the_ttl_ends() throws Exception {
    Recorder one = new Recorder();
    Cluster cluster = start(one, GRACE);
    int id = one.next(one.joined);
    long silentSince = System.nanoTime();
    // Not the replica's own pool, whose silent transactions it breaks.
    try (Db other = Db.open(url, 1, Duration.ofSeconds(10))) {
      other.useTx(tx -> {
        // The heartbeat waits for this row, as it would for a network that swallows packets.
        tx.query("SELECT id FROM replicas WHERE id = :id FOR UPDATE")
            .bind("id", id)
            .mapTo(Integer.class)
            .one();
        assertThat(one.soon(one.fenced)).isEqualTo(id);
        assertThat(Duration.ofNanos(System.nanoTime() - silentSince)).isLessThan(TTL);
        assertThat(cluster.replica()).isEmpty();
      });
    }
    assertThat(one.next(one.joined)).isGreaterThan(id);
  }

  @Test
  void the_deadline_counts_from_when_the_last_confirmed_heartbeat_was_sent() {
    Recorder one = new Recorder();
    ByHand clock = new ByHand();
    Cluster cluster = made(one, GRACE, clock);
    cluster.join();
    clock.advance(TTL.multipliedBy(2).dividedBy(3));
    assertThat(cluster.fenceIfOverdue()).isFalse();
    clock.advance(Duration.ofMillis(1));
    assertThat(cluster.fenceIfOverdue()).isTrue();
    assertThat(one.fenced).hasSize(1);
  }

  @Test
  void who_is_itself_declared_dead_takes_nothing_over() {
    Recorder one = new Recorder();
    Cluster cluster = made(one, GRACE, new ByHand());
    cluster.join();
    int gone = stranger("now() - interval '1 hour'");
    int me = cluster.replica().orElseThrow();
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id").bind("id", me).execute());
    cluster.bury(gone);
    assertThat(one.takenOver).isEmpty();
    assertThat(state(gone)).isEqualTo("live");
  }

  @Test
  void a_takeover_does_not_stand_in_line_behind_a_transaction_of_the_dead() {
    Recorder one = new Recorder();
    Cluster cluster = made(one, GRACE, new ByHand());
    cluster.join();
    int gone = stranger("now() - interval '1 hour'");
    db.useTx(tx -> {
      tx.query("SELECT id FROM replicas WHERE id = :id FOR KEY SHARE")
          .bind("id", gone)
          .mapTo(Integer.class)
          .one();
      // On another thread: on this one it would be a part of this transaction.
      CompletableFuture.runAsync(() -> cluster.bury(gone)).join();
      assertThat(one.takenOver).isEmpty();
    });
    cluster.bury(gone);
    assertThat(one.takenOver).containsExactly(gone);
  }

  @Test
  void a_replica_follows_what_an_operator_wants_of_it_also_under_its_next_id() throws Exception {
    Recorder one = new Recorder();
    Recorder two = new Recorder();
    int capped = start(one, GRACE).replica().orElseThrow();
    Cluster other = start(two, GRACE);
    assertThat(other.want(capped, 3)).isTrue();
    assertThat(one.wanted.poll(PATIENCE_SECONDS, TimeUnit.SECONDS)).hasValue(3);
    assertThat(two.wanted).isEmpty();
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id")
            .bind("id", capped)
            .execute());
    assertThat(other.want(capped, 4)).isFalse();
    one.next(one.joined);
    int again = one.next(one.joined);
    await(() ->
        other.replicas().stream()
            .anyMatch(info -> info.id() == again && Objects.equals(info.wantedLeases(), 3)));
    assertThat(other.want(again, null)).isTrue();
    assertThat(one.wanted.poll(PATIENCE_SECONDS, TimeUnit.SECONDS)).isEmpty();
  }

  @Test
  void a_replica_that_leaves_says_so() throws Exception {
    Recorder one = new Recorder();
    Cluster cluster = start(one, GRACE);
    int id = cluster.replica().orElseThrow();
    cluster.close();
    assertThat(state(id)).isEqualTo("stopped");
    assertThat(lockHolder(id)).isZero();
  }

  @Test
  void a_replica_that_leaves_with_leases_stops_its_workers_before_its_lock_goes() throws Exception {
    Recorder one = new Recorder();
    Cluster cluster = made(one, GRACE, new ByHand());
    cluster.join();
    int id = cluster.replica().orElseThrow();
    one.whenFenced = () -> assertThat(lockHolder(id)).isNotZero();
    // As good as a lease that could not be given back: it cannot leave in good order.
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = 'dead' WHERE id = :id").bind("id", id).execute());
    cluster.close();
    assertThat(one.fenced).containsExactly(id);
  }

  @Test
  void a_lock_that_is_missing_while_the_own_session_hears_nothing_is_taken_again()
      throws Exception {
    Recorder one = new Recorder();
    try (Wire wire = new Wire(url)) {
      Cluster cluster = made(one, Duration.ofSeconds(60), Clock.system(), wire.url());
      cluster.join();
      int id = cluster.replica().orElseThrow();
      loseSessionUnheard(wire, id);
      await(() -> {
        cluster.tick();
        return lockHolder(id) != 0;
      });
      assertThat(cluster.fenceIfOverdue()).isFalse();
      cluster.close();
    }
  }

  @Test
  void a_lock_that_went_unheard_counts_as_lost_since_it_was_last_seen() throws Exception {
    Recorder one = new Recorder();
    ByHand clock = new ByHand();
    try (Wire wire = new Wire(url)) {
      Cluster cluster = made(one, GRACE, clock, wire.url());
      cluster.join();
      int id = cluster.replica().orElseThrow();
      cluster.tick();
      loseSessionUnheard(wire, id);
      clock.advance(GRACE);
      // The connection of the heartbeats is silent too: the next one is new.
      await(() -> {
        cluster.tick();
        return cluster.fenceIfOverdue();
      });
      assertThat(one.fenced).containsExactly(id);
      cluster.close();
    }
  }

  /** The database ends the session, and the network does not tell. */
  private void loseSessionUnheard(Wire wire, int id) throws InterruptedException {
    int holder = lockHolder(id);
    wire.silence();
    db.useTx(tx ->
        tx.query("SELECT pg_terminate_backend(:pid)")
            .bind("pid", holder)
            .mapTo(Boolean.class)
            .one());
    await(() -> lockHolder(id) == 0);
  }

  @Test
  void a_heartbeat_that_arrives_and_whose_answer_does_not_counts_as_lost() throws Exception {
    Recorder one = new Recorder();
    ByHand clock = new ByHand();
    try (Wire wire = new Wire(url)) {
      Cluster cluster = made(one, Duration.ofSeconds(60), clock, wire.url());
      cluster.join();
      int id = cluster.replica().orElseThrow();
      clock.advance(Duration.ofSeconds(1));
      cluster.tick();
      one.confirmations(2);
      db.useTx(tx ->
          tx.update("UPDATE replicas SET heartbeat_at = 'epoch' WHERE id = :id")
              .bind("id", id)
              .execute());
      wire.swallowCommit();
      clock.advance(Duration.ofSeconds(1));
      cluster.tick();
      assertThat(heartbeatAgeMillis(id)).isLessThan(TTL.toMillis());
      assertThat(one.confirmed.availablePermits()).isZero();
      clock.advance(TTL.multipliedBy(2).dividedBy(3).minusSeconds(1));
      assertThat(cluster.fenceIfOverdue()).as("counted from the one before").isFalse();
      cluster.tick();
      one.confirmations(1);
      assertThat(one.fenced).isEmpty();
      cluster.close();
    }
  }

  @Test
  void who_waits_on_a_connection_that_went_silent_is_told_soon() throws Exception {
    Recorder one = new Recorder();
    try (Wire wire = new Wire(url);
        Db silent = Db.open(wire.url(), 2, Duration.ofSeconds(10))) {
      ByHand clock = new ByHand();
      Cluster cluster = new Cluster(silent, url, config(GRACE), one, clock);
      open.add(cluster);
      cluster.join();
      CountDownLatch begun = new CountDownLatch(1);
      CompletableFuture<Integer> writer =
          CompletableFuture.supplyAsync(() ->
              silent.inTx(tx -> {
                int first = tx.query("SELECT 1").mapTo(Integer.class).one();
                wire.silence();
                begun.countDown();
                return first + tx.query("SELECT 1").mapTo(Integer.class).one();
              }));
      assertThat(begun.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
      clock.advance(TTL);
      long before = System.nanoTime();
      assertThat(cluster.fenceIfOverdue()).isTrue();
      assertThatThrownBy(() -> writer.get(PATIENCE_SECONDS, TimeUnit.SECONDS))
          .hasMessageContaining("broke during the work");
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(TTL);
      assertThat(silent.answers()).as("by a new connection").isTrue();
      cluster.close();
    }
  }

  @Test
  void a_row_that_got_this_ones_id_after_a_failover_is_somebody_elses() {
    Recorder one = new Recorder();
    Cluster cluster = made(one, GRACE, new ByHand());
    cluster.join();
    int id = cluster.replica().orElseThrow();
    db.useTx(tx ->
        tx.update("UPDATE replicas SET started_at = started_at + interval '1 s' WHERE id = :id")
            .bind("id", id)
            .execute());
    cluster.tick();
    assertThat(one.fenced).containsExactly(id);
  }

  @Test
  void work_that_uses_up_the_pool_does_not_starve_the_heartbeats() throws Exception {
    Recorder one = new Recorder();
    try (Db small = Db.open(url, 1, Duration.ofSeconds(10))) {
      Cluster cluster = new Cluster(small, url, config(GRACE), one, Clock.system());
      open.add(cluster);
      cluster.start();
      int id = cluster.replica().orElseThrow();
      one.confirmed.drainPermits();
      small.useTx(tx -> {
        assertThat(small.poolUse().active()).isEqualTo(1);
        one.confirmationsSoon(3);
      });
      assertThat(cluster.replica()).hasValue(id);
      assertThat(one.fenced).isEmpty();
      cluster.close();
    }
  }

  @Test
  void wall_clocks_that_are_hours_apart_change_nothing() throws Exception {
    Recorder early = new Recorder();
    Recorder late = new Recorder();
    Cluster behind = made(early, GRACE, new Skewed(Duration.ofHours(-1)));
    Cluster ahead = made(late, GRACE, new Skewed(Duration.ofHours(1)));
    behind.start();
    ahead.start();
    int one = behind.replica().orElseThrow();
    int two = ahead.replica().orElseThrow();
    int silent = stranger("now() - interval '1 hour'");
    assertThat(poll(early.takenOver, late.takenOver)).isEqualTo(silent);
    early.confirmations(3);
    late.confirmations(3);
    assertThat(behind.replica()).hasValue(one);
    assertThat(ahead.replica()).hasValue(two);
    assertThat(early.fenced).isEmpty();
    assertThat(late.fenced).isEmpty();
    assertThat(heartbeatAgeMillis(one)).isBetween(0L, TTL.toMillis());
    assertThat(heartbeatAgeMillis(two)).isBetween(0L, TTL.toMillis());
  }

  @Test
  void busy_cores_do_not_starve_the_thread_that_renews() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    List<Thread> busy = new ArrayList<>();
    for (int i = 0; i < 4 * Runtime.getRuntime().availableProcessors(); i++) {
      Thread.Builder kind = i % 2 == 0 ? Thread.ofVirtual() : Thread.ofPlatform().daemon();
      busy.add(
          kind.start(() -> {
            while (!over.get()) {
              Thread.onSpinWait();
            }
          }));
    }
    try {
      Recorder one = new Recorder();
      Cluster cluster = start(one, GRACE);
      int id = cluster.replica().orElseThrow();
      one.confirmations(5);
      assertThat(cluster.replica()).hasValue(id);
      assertThat(one.fenced).isEmpty();
    } finally {
      over.set(true);
      for (Thread thread : busy) {
        thread.join();
      }
    }
  }

  private long heartbeatAgeMillis(int id) {
    return db.inTx(tx ->
        tx.query(
                """
                SELECT extract(epoch FROM clock_timestamp() - heartbeat_at) * 1000
                  FROM replicas WHERE id = :id
                """)
            .bind("id", id)
            .mapTo(Long.class)
            .one());
  }

  private Cluster start(Recorder member, Duration grace) {
    Cluster cluster = made(member, grace, Clock.system());
    cluster.start();
    return cluster;
  }

  private Cluster made(Recorder member, Duration grace, Clock clock) {
    return made(member, grace, clock, url);
  }

  private static ClusterConfig config(Duration grace) {
    return new ClusterConfig(
        TTL, grace, Duration.ofSeconds(1), "host", "http://localhost:1", "test");
  }

  private Cluster made(Recorder member, Duration grace, Clock clock, DatabaseUrl session) {
    Cluster cluster = new Cluster(db, session, config(grace), member, clock);
    open.add(cluster);
    return cluster;
  }

  private int stranger(String heartbeatAt) {
    return db.inTx(tx ->
        tx.query(
                """
                INSERT INTO replicas (host, pid, address, version, max_leases, heartbeat_at)
                VALUES ('h', 1, 'a', 'v', 1, %s) RETURNING id
                """
                    .formatted(heartbeatAt))
            .mapTo(Integer.class)
            .one());
  }

  private static PgSession.Taking lock(int id) {
    return connection -> {
      try (Statement statement = connection.createStatement()) {
        statement.execute("SELECT pg_advisory_lock(%d, %d)".formatted(Cluster.LOCK_CLASS, id));
      } catch (SQLException failed) {
        throw new IllegalStateException(failed);
      }
    };
  }

  private int lockHolder(int id) {
    return db.inTx(tx ->
        tx.query(
                """
                SELECT coalesce(max(pid), 0) FROM pg_locks
                 WHERE locktype = 'advisory' AND classid = :class AND objid = :id::oid AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                """)
            .bind("class", Cluster.LOCK_CLASS)
            .bind("id", id)
            .mapTo(Integer.class)
            .one());
  }

  private String state(int id) {
    return db.inTx(tx ->
        tx.query("SELECT state FROM replicas WHERE id = :id")
            .bind("id", id)
            .mapTo(String.class)
            .one());
  }

  private void awaitState(int id, String state) throws InterruptedException {
    await(() -> state(id).equals(state));
  }

  private interface Condition {
    boolean holds();
  }

  private static void await(Condition condition) throws InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!condition.holds()) {
      assertThat(System.nanoTime()).as("deadline").isLessThan(until);
      TimeUnit.MILLISECONDS.sleep(10);
    }
  }

  @SafeVarargs
  private static @Nullable Integer poll(BlockingQueue<Integer>... queues)
      throws InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (System.nanoTime() < until) {
      for (BlockingQueue<Integer> queue : queues) {
        Integer found = queue.poll(10, TimeUnit.MILLISECONDS);
        if (found != null) {
          return found;
        }
      }
    }
    return null;
  }

  private static final class Recorder implements Member {
    private final BlockingQueue<Integer> joined = new LinkedBlockingQueue<>();
    private final BlockingQueue<Integer> fenced = new LinkedBlockingQueue<>();
    private final BlockingQueue<Integer> maybeGone = new LinkedBlockingQueue<>();
    private final BlockingQueue<Integer> takenOver = new LinkedBlockingQueue<>();
    private final BlockingQueue<News> heard = new LinkedBlockingQueue<>();
    private final BlockingQueue<Integer> missed = new LinkedBlockingQueue<>();
    private final BlockingQueue<Optional<Integer>> wanted = new LinkedBlockingQueue<>();
    private final Semaphore confirmed = new Semaphore(0);
    private volatile int id;
    private volatile Runnable whenFenced = () -> {};

    void confirmationsSoon(int count) {
      try {
        confirmations(count);
      } catch (InterruptedException stopping) {
        throw new IllegalStateException(stopping);
      }
    }

    void confirmations(int count) throws InterruptedException {
      assertThat(confirmed.tryAcquire(count, PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
    }

    int next(BlockingQueue<Integer> queue) throws InterruptedException {
      Integer found = queue.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      assertThat(found).isNotNull();
      return found == null ? -1 : found;
    }

    int soon(BlockingQueue<Integer> queue) {
      try {
        return next(queue);
      } catch (InterruptedException stopping) {
        throw new IllegalStateException(stopping);
      }
    }

    @Override
    public void joined(int replica) {
      id = replica;
      joined.add(replica);
    }

    @Override
    public void fenced() {
      whenFenced.run();
      fenced.add(id);
    }

    @Override
    public void confirmed(Duration ago) {
      confirmed.release();
    }

    @Override
    public void mayBeGone(int replica) {
      maybeGone.add(replica);
    }

    @Override
    public Runnable takeOver(Tx tx, int dead, int taker) {
      takenOver.add(dead);
      return () -> {};
    }

    @Override
    public void heard(News news) {
      heard.add(news);
    }

    @Override
    public void missed() {
      missed.add(id);
    }

    @Override
    public int maxLeases() {
      return 1;
    }

    @Override
    public void wanted(@Nullable Integer leases) {
      wanted.add(Optional.ofNullable(leases));
    }
  }

  private static final class Deaf implements PgSession.Listener {
    @Override
    public void notified(String payload) {}

    @Override
    public void back() {}
  }

  private record Skewed(Duration by) implements Clock {
    @Override
    public Instant now() {
      return Instant.now().plus(by);
    }

    @Override
    public long nanos() {
      return System.nanoTime();
    }
  }

  private static final class ByHand implements Clock {
    private final AtomicLong nanos = new AtomicLong();

    void advance(Duration time) {
      nanos.addAndGet(time.toNanos());
    }

    @Override
    public Instant now() {
      return Instant.EPOCH;
    }

    @Override
    public long nanos() {
      return nanos.get();
    }
  }
}
