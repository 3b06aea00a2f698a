package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The database itself goes away under load, and comes back; or another takes its place. */
@Tag("e2e")
@Tag("external")
@Promise(2)
class DatabaseRestartTest {
  private static final Duration GOES_ON_WITHIN = Duration.ofSeconds(5);
  private static final Duration SLACK = Duration.ofSeconds(3);
  private static final int REPLICAS = 3;

  /** Epochs of the first timeline are below, those of later ones above. */
  private static final long TIMELINE = 1L << 32;

  private static final int PER_SECOND = 12;

  @TempDir Path scratch;

  /** Replicas under load, with two long conversations that a client reads along. */
  private record Scene(Service service, Load load, List<Telling> longOnes)
      implements AutoCloseable {
    @Override
    public void close() {
      longOnes.forEach(it -> it.reader().close());
      load.close();
    }
  }

  private record Telling(String thread, String run, Follower reader) {}

  private static Scene underLoad(Service service, int chunks) {
    service.addScript("short", 0.05, Map.of("on_worker_loss", "retry", "max_attempts", 9));
    service.addMarkingAgent("long", Map.of("on_worker_loss", "fail"));
    List<Telling> longOnes = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      Turnkeeper first = service.replica(i);
      String thread = first.newThread();
      String wish = "{\"label\": \"%s\", \"chunks\": %d, \"every\": 20}";
      String run = first.run(thread, "long", wish.formatted(thread, chunks));
      service.holderOf(first, run);
      longOnes.add(
          new Telling(
              thread,
              run,
              Follower.start(
                  thread, run, service.replica(2), service.replica(1), service.replica(0))));
    }
    Load load = Load.start(service, "short", 12, PER_SECOND);
    Awaitility.await("the load runs")
        .atMost(Duration.ofSeconds(30))
        .until(() -> load.accepted().size() > 20);
    return new Scene(service, load, longOnes);
  }

  private static int completed(Postgres database) {
    return Integer.parseInt(
        database.sql(
            "SELECT count(*) FROM runs WHERE status = 'completed' AND finished_at >"
                + " clock_timestamp() - interval '1 hour'"));
  }

  /** Work goes on: a run that was accepted after this call has completed. */
  private static long goesOn(Scene scene, Postgres database, long backNanos) {
    int before = completed(database);
    int accepted = scene.load().accepted().size();
    Awaitility.await("runs are accepted and completed again")
        .atMost(GOES_ON_WITHIN.plus(SLACK))
        .pollInterval(Duration.ofMillis(50))
        .until(() ->
            scene.load().accepted().size() > accepted + 3 && completed(database) > before + 3);
    return (System.nanoTime() - backNanos) / 1_000_000;
  }

  private static void assertNothingLost(Scene scene, Postgres database) {
    scene.load().stop();
    Map<String, Integer> ended = Load.ended(database, Duration.ofSeconds(60));
    System.out.printf(
        "  %d accepted, ended %s, retried %s%n",
        scene.load().accepted().size(), ended, scene.load().retries());
    scene.load().assertNoClientError();
    scene.load().assertEachEnded(database, "completed");
    Load.assertWholeLogs(database);
    scene.service().marks().assertNeverTwo();
    for (Telling one : scene.longOnes()) {
      List<String> read = one.reader().whole().stream().map(Follower.Frame::content).toList();
      assertThat(read.stream().map(it -> it.split(" ")[0])).doesNotHaveDuplicates();
      try (Follower again = Follower.start(one.thread(), one.run(), scene.service().replica(1))) {
        assertThat(read).isEqualTo(again.whole().stream().map(Follower.Frame::content).toList());
      }
    }
    assertThat(ended).containsOnlyKeys("completed");
    scene.service().assertNoErrors();
  }

  private static String replicas(Postgres database) {
    return database.sql("SELECT state, count(*) FROM replicas GROUP BY state ORDER BY state");
  }

  @Test
  void an_immediate_restart_under_load_loses_nothing_and_kills_no_replica() {
    try (Postgres database = Postgres.start();
        Service service = Service.start(scratch, REPLICAS, database.url());
        Scene scene = underLoad(service, 400)) {
      database.stopImmediately();
      database.startServer();
      long back = goesOn(scene, database, System.nanoTime());

      System.out.printf("after an immediate restart work went on %d ms later%n", back);
      assertThat(replicas(database)).isEqualTo("live|" + REPLICAS);
      assertNothingLost(scene, database);
      assertThat(replicas(database)).isEqualTo("live|" + REPLICAS);
    }
  }

  @Test
  void an_outage_longer_than_the_ttl_stops_the_agents_and_no_replica_has_to_be_restarted()
      throws Exception {
    try (Postgres database = Postgres.start();
        Service service = Service.start(scratch, REPLICAS, database.url());
        Scene scene = underLoad(service, 3_000)) {
      database.stopImmediately();
      long down = System.nanoTime();
      waitFor(Service.TTL.plusSeconds(2));
      for (Telling one : scene.longOnes()) {
        long last = service.marks().lives(one.thread()).getLast().to();
        assertThat(Duration.ofNanos(last - down))
            .as("the agent worked on, without a database, for")
            .isLessThan(Service.TTL);
      }
      database.startServer();
      Awaitility.await("all replicas are members again")
          .atMost(Duration.ofSeconds(20))
          .until(() -> replicas(database).contains("live|" + REPLICAS));
      scene.load().stop();
      scene.load().assertNoClientError();
      Map<String, Integer> ended = Load.ended(database, Duration.ofSeconds(60));
      assertThat(ended.get("failed")).as("the two that may not be repeated").isEqualTo(2);
      assertThat(ended).containsOnlyKeys("completed", "failed");
      scene.load().assertEachEnded(database, "completed");
      Load.assertWholeLogs(database);
      service.marks().assertNeverTwo();
      assertThat(service.replicas()).allMatch(Turnkeeper::isAlive);
      service.assertNoErrors();
    }
  }

  @Test
  void a_failover_to_a_standby_under_load_loses_nothing_and_kills_no_replica() {
    try (Postgres primary = Postgres.start();
        Postgres standby = primary.standby()) {
      String url =
          "postgresql://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?targetServerType=primary"
              .formatted(primary.port(), standby.port());
      primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
      primary.sql("SELECT pg_reload_conf()");
      try (Service service = Service.start(scratch, REPLICAS, url);
          Scene scene = underLoad(service, 400)) {
        // Older than the TTL, so that its age excuses nobody.
        Awaitility.await("the standby is older than the TTL")
            .atMost(Duration.ofSeconds(20))
            .until(() ->
                standby
                    .sql("SELECT now() - pg_postmaster_start_time() > interval '6 seconds'")
                    .equals("t"));
        primary.stopImmediately();
        standby.promote();
        long back = goesOn(scene, standby, System.nanoTime());

        System.out.printf("after a failover work went on %d ms later%n", back);
        assertThat(replicas(standby)).isEqualTo("live|" + REPLICAS);
        assertThat(epochOfAnswer(service.replica(1), standby, service.replica(1).newThread()))
            .as("an epoch that was granted after the promotion")
            .isGreaterThan(TIMELINE);
        assertNothingLost(scene, standby);
        assertThat(replicas(standby)).isEqualTo("live|" + REPLICAS);
      }
    }
  }

  /**
   * What was committed last is lost: claims too, whose epochs must not be given out a second time.
   */
  @Test
  void a_failover_to_a_standby_that_lags_behind_gives_no_epoch_out_twice() {
    try (Postgres primary = Postgres.start();
        Postgres standby = primary.standby()) {
      String url =
          "postgresql://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?targetServerType=primary"
              .formatted(primary.port(), standby.port());
      try (Service service = Service.start(scratch, 2, url)) {
        service.addScript("short", 0.02, Map.of("on_worker_loss", "fail"));
        Turnkeeper asked = service.replica(0);
        String thread = asked.newThread();
        long known = epochOfAnswer(asked, primary, thread);
        awaitStandby(primary, standby);
        standby.sql("ALTER SYSTEM SET primary_conninfo = ''");
        standby.sql("SELECT pg_reload_conf()");
        Awaitility.await("the standby hears nothing more")
            .atMost(Duration.ofSeconds(20))
            .until(() -> primary.sql("SELECT count(*) FROM pg_stat_replication").equals("0"));
        long lost = epochOfAnswer(asked, primary, thread);
        assertThat(lost).isGreaterThan(known).isLessThan(TIMELINE);

        primary.stopImmediately();
        standby.promote();
        Awaitility.await("the service is back")
            .atMost(GOES_ON_WITHIN.plus(SLACK))
            .until(() ->
                service.replicas().stream()
                    .allMatch(it -> it.get("/health/ready").status() == 200));
        assertThat(standby.sql("SELECT max(epoch) FROM runs"))
            .as("the second run was lost, as the docs say")
            .isEqualTo(Long.toString(known));
        for (Turnkeeper replica : service.replicas()) {
          assertThat(epochOfAnswer(replica, standby, thread)).isGreaterThan(TIMELINE);
        }
        Load.assertWholeLogs(standby);
        service.assertNoErrors();
      }
    }
  }

  /** The epoch under which a message was answered. */
  private static long epochOfAnswer(Turnkeeper asked, Postgres database, String thread) {
    String run = asked.run(thread, "short", "hi");
    assertThat(asked.ended(run, Duration.ofSeconds(30)).get("status").asString())
        .isEqualTo("completed");
    return Long.parseLong(database.sql("SELECT epoch FROM runs WHERE id = '" + run + "'"));
  }

  private static void awaitStandby(Postgres primary, Postgres standby) {
    String written = primary.sql("SELECT pg_current_wal_flush_lsn()");
    Awaitility.await("the standby has all")
        .atMost(Duration.ofSeconds(20))
        .until(() ->
            standby
                .sql("SELECT pg_last_wal_replay_lsn() >= '" + written + "'::pg_lsn")
                .equals("t"));
  }

  private static void waitFor(Duration time) throws InterruptedException {
    boolean early = new CountDownLatch(1).await(time.toMillis(), TimeUnit.MILLISECONDS);
    assertThat(early).isFalse();
  }
}
