package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Replicas whose wall clocks are wrong by an hour each way, by Debian's faketime. */
@Tag("e2e")
@Tag("external")
class ClockSkewTest {
  private static final int PER_SECOND = 8;

  /** As on clocks that agree, and a second of a loaded machine. */
  private static final Duration TAKEN_WITHIN = Duration.ofMillis(2_500);

  /** The milliseconds that a run's id begins with: by the clock of the replica that took it. */
  private static final String MINTED =
      "(('x' || substr(id::text, 1, 8) || substr(id::text, 10, 4))::bit(48)::bigint)";

  @TempDir Path scratch;

  @Test
  void clocks_that_are_wrong_by_an_hour_each_way_change_nothing() throws Exception {
    try (Postgres database = Postgres.start();
        Service service =
            Service.startWith(scratch, database.url(), List.of(skewed("+1h"), skewed("-1h")))) {
      service.addScript("short", 0.05, Map.of("on_worker_loss", "retry", "max_attempts", 9));
      service.addMarkingAgent("long", Map.of("on_worker_loss", "resume"));
      Turnkeeper first = service.replica(0);
      String thread = first.newThread();
      try (Load load = Load.start(service, "short", 8, PER_SECOND)) {
        String run =
            first.run(
                thread,
                "long",
                "{\"label\": \"%s\", \"chunks\": 3000, \"again\": 20, \"every\": 20}"
                    .formatted(thread));
        Turnkeeper holder = service.holderOf(first, run);
        Turnkeeper other = service.otherThan(holder);
        Awaitility.await("the load runs, and has met both")
            .atMost(Duration.ofSeconds(20))
            .until(() -> load.accepted().size() > 2 * PER_SECOND);
        assertThat(Duration.ofMillis(apart(database)))
            .as("run ids by the two clocks are apart")
            .isGreaterThan(Duration.ofMinutes(110));
        assertThat(database.sql("SELECT count(*) FROM replicas WHERE state = 'live'"))
            .isEqualTo("2");

        long killed = System.nanoTime();
        holder.kill();
        Awaitility.await("the other replica takes the run over")
            .atMost(TAKEN_WITHIN)
            .pollInterval(Duration.ofMillis(20))
            .until(() -> starts(other, run) == 2);
        System.out.printf(
            "takeover with clocks two hours apart: %d ms%n",
            (System.nanoTime() - killed) / 1_000_000);
        assertThat(other.ended(run, Duration.ofSeconds(30)).get("status").asString())
            .isEqualTo("completed");
        Service.assertWhole(Service.events(other, run));
        load.stop();
        load.assertNoClientError();
        Load.ended(database, Duration.ofSeconds(60));
        load.assertEachEnded(database, "completed");
      }
      assertThat(database.sql("SELECT count(*) FROM replicas WHERE state = 'dead'"))
          .as("dead: the killed one only")
          .isEqualTo("1");
      Load.assertWholeLogs(database);
      assertThat(service.marks().lives(thread)).hasSize(2);
      assertThat(service.marks().lives(thread).getFirst().to())
          .isLessThan(service.marks().lives(thread).getLast().from());
      service.assertNoErrors();
    }
  }

  private static long apart(Postgres database) {
    return Long.parseLong(
        database.sql("SELECT max(%s) - min(%s) FROM runs".formatted(MINTED, MINTED)));
  }

  private static long starts(Turnkeeper asked, String run) {
    return Service.events(asked, run).stream()
        .map((JsonNode it) -> it.get("kind").asString())
        .filter("run.started"::equals)
        .count();
  }

  /** Deadlines are on the monotonic clock, as the machine has it. */
  private static Map<String, String> skewed(String by) throws IOException {
    try (Stream<Path> folders = Files.list(Path.of("/usr/lib"))) {
      Path library =
          folders
              .map(it -> it.resolve("faketime/libfaketime.so.1"))
              .filter(Files::exists)
              .findFirst()
              .orElseThrow(() -> new AssertionError("Debian's package faketime is not there"));
      return Map.of(
          "LD_PRELOAD", library.toString(), "FAKETIME", by, "FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
  }
}
