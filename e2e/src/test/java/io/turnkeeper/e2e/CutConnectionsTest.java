package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Connections to the database that are cut, one by one and all at once, or fall silent. */
@Tag("e2e")
@Tag("external")
@Promise(1)
class CutConnectionsTest {
  private static final String LONG = "{\"label\": \"%s\", \"chunks\": %d, \"every\": 20}";

  /** And a second of a loaded machine. */
  private static final Duration BACK_WITHIN = Duration.ofSeconds(6);

  @TempDir static Path scratch;
  private static Postgres database;
  private static Wire wire;
  private static Service service;

  @BeforeAll
  static void start() {
    database = Postgres.start();
    wire = Wire.to(database.port());
    String overWire = "postgresql://postgres@127.0.0.1:" + wire.port() + "/postgres";
    service = Service.start(scratch, List.of(overWire, database.url()));
    service.addMarkingAgent("long", Map.of("on_worker_loss", "resume"));
    service.addMarkingAgent("once", Map.of("on_worker_loss", "fail"));
    service.addScript("short", 0.05, Map.of("on_worker_loss", "retry", "max_attempts", 9));
  }

  @AfterAll
  static void stop() {
    service.close();
    wire.close();
    database.close();
  }

  @AfterEach
  void nothingBroke() {
    wire.dead(false);
    wire.delay(0);
    assertThat(service.replicas()).allMatch(Turnkeeper::isAlive);
    for (Turnkeeper replica : service.replicas()) {
      Awaitility.await("healthy")
          .atMost(Duration.ofSeconds(15))
          .until(() -> replica.get("/health/ready").status() == 200);
    }
    service.marks().assertNeverTwo();
    service.assertNoErrors();
    Load.assertWholeLogs(database);
  }

  private static String epochs() {
    return database.sql("SELECT conversation_key, epoch, replica_id FROM mailboxes ORDER BY 1");
  }

  private static int cut(String which) {
    return Integer.parseInt(
        database.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE " + which));
  }

  /** A run under way on a replica of ours; a long one. */
  private record Busy(String thread, String run, Turnkeeper holder, Turnkeeper other) {}

  private static Busy busy(String agent, int chunks) {
    Turnkeeper first = service.replica(0);
    String thread = first.newThread();
    String run = first.run(thread, agent, LONG.formatted(thread, chunks));
    Turnkeeper holder = service.holderOf(first, run);
    Turnkeeper other = service.otherThan(holder);
    Awaitility.await("the agent answers")
        .atMost(Duration.ofSeconds(20))
        .until(() -> Service.events(other, run).size() > 10);
    return new Busy(thread, run, holder, other);
  }

  private static JsonNode completed(Busy busy) {
    JsonNode run = busy.other().ended(busy.run(), Duration.ofSeconds(60));
    assertThat(run.get("status").asString()).as("%s", run).isEqualTo("completed");
    Service.assertWhole(Service.events(busy.other(), busy.run()));
    return run;
  }

  @Test
  void a_cut_session_alone_moves_no_conversation() {
    Busy busy = busy("once", 150);
    String before = epochs();

    assertThat(cut("application_name = 'turnkeeper session'")).isEqualTo(2);

    assertThat(completed(busy).get("attempt").asInt()).isEqualTo(1);
    assertThat(epochs().lines().map(it -> it.split("\\|")[1]))
        .as("epochs")
        .isEqualTo(before.lines().map(it -> it.split("\\|")[1]).toList());
  }

  @Test
  void cut_pool_connections_lose_no_run_that_is_under_way() {
    Busy busy = busy("once", 150);

    for (int i = 0; i < 5; i++) {
      cut("application_name = 'turnkeeper'");
    }

    assertThat(completed(busy).get("attempt").asInt()).isEqualTo(1);
  }

  @Test
  void all_connections_cut_again_and_again_under_load_lose_nothing() {
    try (Load load = Load.start(service, "short", 12, 15)) {
      for (int i = 0; i < 8; i++) {
        int sent = load.accepted().size();
        Awaitility.await("some more messages")
            .atMost(Duration.ofSeconds(30))
            .until(() -> load.accepted().size() >= sent + 10);
        cut("application_name LIKE 'turnkeeper%'");
      }
      load.stop();
      System.out.printf(
          "all connections cut 8 times: %d accepted, retried %s%n",
          load.accepted().size(), load.retries());
      Map<String, Integer> ended = load.endedOurs(database, Duration.ofSeconds(60));
      System.out.println("ended " + ended);
      load.assertNoClientError();
      load.assertEachEnded(database, "completed");
      assertThat(ended).containsOnlyKeys("completed");
    }
  }

  /** The replica behind the wire holds the run. */
  private static Busy busyBehindTheWire(String agent, int chunks) {
    Turnkeeper other = service.replica(1);
    for (int tries = 0; tries < 20; tries++) {
      Busy busy = busy(agent, chunks);
      if (busy.holder() == service.replica(0)) {
        return new Busy(busy.thread(), busy.run(), busy.holder(), other);
      }
      other.post("/threads/" + busy.thread() + "/runs/" + busy.run() + "/cancel", Map.of());
    }
    throw new AssertionError("the replica behind the wire takes no run");
  }

  private static long lastSignOf(String thread) {
    return service.marks().lives(thread).getFirst().to();
  }

  @Test
  void a_network_that_swallows_everything_stops_the_agents_in_time_and_no_restart_is_needed() {
    Busy busy = busyBehindTheWire("long", 1_500);
    wire.dead(true);

    takenOver(busy);
    wire.dead(false);
    backAndEnded(busy);
  }

  /** The network has just become useless to the holder. */
  private static void takenOver(Busy busy) {
    long dead = System.nanoTime();
    Awaitility.await("the other replica takes the run over")
        .atMost(Service.TTL.plusSeconds(4))
        .pollInterval(Duration.ofMillis(50))
        .until(() -> starts(busy) == 2);
    System.out.printf(
        "useless network: agent stopped after %d ms, run taken over after %d ms%n",
        (lastSignOf(busy.thread()) - dead) / 1_000_000, (System.nanoTime() - dead) / 1_000_000);
    assertThat(Duration.ofNanos(lastSignOf(busy.thread()) - dead))
        .as("the agent of the replica that nobody heard of worked for")
        .isLessThan(Service.TTL);
  }

  private static void backAndEnded(Busy busy) {
    Awaitility.await("it is a member again")
        .atMost(Duration.ofSeconds(20))
        .until(() -> busy.holder().get("/health/ready").status() == 200 && members() == 2);
    busy.other().post("/threads/" + busy.thread() + "/runs/" + busy.run() + "/cancel", Map.of());
    busy.other().ended(busy.run(), Duration.ofSeconds(20));
    Service.assertWhole(Service.events(busy.other(), busy.run()));
  }

  @Test
  void a_network_that_delays_by_300_ms_moves_no_conversation() {
    Busy busy = busyBehindTheWire("once", 150);
    wire.delay(300);

    assertThat(completed(busy).get("attempt").asInt()).isEqualTo(1);
    wire.delay(0);
  }

  @Test
  void a_network_that_delays_by_two_thirds_of_the_ttl_is_as_one_that_is_dead() {
    Busy busy = busyBehindTheWire("long", 1_500);
    wire.delay(Service.TTL.toMillis() * 2 / 3);

    takenOver(busy);
    wire.delay(0);
    backAndEnded(busy);
  }

  @Test
  void connections_that_fall_silent_for_good_while_new_ones_work_hold_up_nobody_for_long() {
    Busy busy = busyBehindTheWire("long", 1_500);
    int before = Service.events(busy.other(), busy.run()).size();
    long silent = System.nanoTime();
    wire.swallow();

    Awaitility.await("the replica behind the wire answers, and the run goes on")
        .atMost(BACK_WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .until(() ->
            busy.holder().get("/health/ready").status() == 200
                && busy.holder().get("/threads/" + busy.thread()).status() == 200
                && Service.events(busy.other(), busy.run()).size() > before + 20);
    System.out.printf(
        "swallowed connections: well again after %d ms%n",
        (System.nanoTime() - silent) / 1_000_000);
    backAndEnded(busy);
  }

  private static int members() {
    return Integer.parseInt(
        database.sql("SELECT count(*) FROM replicas WHERE state IN ('live', 'draining')"));
  }

  private static long starts(Busy busy) {
    return Service.events(busy.other(), busy.run()).stream()
        .filter(it -> it.get("kind").asString().equals("run.started"))
        .count();
  }
}
