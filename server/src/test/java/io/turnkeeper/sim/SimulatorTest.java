package io.turnkeeper.sim;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.turnkeeper.db.DbTest;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/**
 * The product under schedules and faults that seeds decide. To see what one seed does: {@code
 * -Dsim.seed=N}, and {@code -Dsim.details=true} for every step of it.
 */
@DbTest
@Tag("sim")
class SimulatorTest {
  private static final int SEEDS = Integer.getInteger("sim.seeds", 60);
  private static final long FIRST = Long.getLong("sim.first", 1);
  private static final int AT_ONCE = Integer.getInteger("sim.threads", 2);

  private static @Nullable Level before;

  @BeforeAll
  static void quiet() {
    before = product().getLevel();
    product().setLevel(Level.ERROR);
  }

  @AfterAll
  static void asBefore() {
    product().setLevel(before);
  }

  private static Logger product() {
    return (Logger) LoggerFactory.getLogger("io.turnkeeper");
  }

  @Test
  void every_promise_holds_under_every_seed(@TempDir Path data) throws Exception {
    Long one = Long.getLong("sim.seed");
    if (one != null) {
      try (SimDatabase database = new SimDatabase()) {
        Simulation.Report report = intact(database, data, one).run();
        System.err.println(report.story());
        return;
      }
    }
    AtomicLong next = new AtomicLong(FIRST);
    AtomicLong done = new AtomicLong();
    AtomicLong runs = new AtomicLong();
    AtomicLong statements = new AtomicLong();
    AtomicLong looks = new AtomicLong();
    long begun = System.nanoTime();
    List<Future<?>> workers = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE)) {
      for (int i = 0; i < AT_ONCE; i++) {
        workers.add(
            threads.submit(() -> {
              try (SimDatabase database = new SimDatabase()) {
                for (long seed = next.getAndIncrement();
                    seed < FIRST + SEEDS;
                    seed = next.getAndIncrement()) {
                  Simulation.Report report = intact(database, data, seed).run();
                  done.incrementAndGet();
                  runs.addAndGet(report.runs());
                  statements.addAndGet(report.statements());
                  looks.addAndGet(report.looks());
                }
              } catch (Throwable failed) {
                next.set(Long.MAX_VALUE / 2);
                throw failed;
              }
              return null;
            }));
      }
      for (Future<?> worker : workers) {
        worker.get();
      }
    } catch (ExecutionException failed) {
      if (failed.getCause() instanceof Error violation) {
        throw violation;
      }
      throw failed;
    }
    System.err.printf(
        "simulator: %d seeds, %d runs, %d statements, %d looks in %.1f s%n",
        done.get(), runs.get(), statements.get(), looks.get(), (System.nanoTime() - begun) / 1e9);
    assertThat(done.get()).isEqualTo(SEEDS);
  }

  @Test
  void a_seed_tells_the_same_story_twice(@TempDir Path data) throws SQLException {
    try (SimDatabase database = new SimDatabase()) {
      for (long seed = 1; seed <= 10; seed++) {
        Simulation.Report first = intact(database, data, seed).run();
        Simulation.Report again = intact(database, data, seed).run();
        assertThat(again.trace()).as("seed %d", seed).isEqualTo(first.trace());
      }
    }
  }

  private static Simulation intact(SimDatabase database, Path data, long seed) throws SQLException {
    return new Simulation(database, data, Fence.intact(), Simulation.Plan.standard(seed), seed);
  }
}
