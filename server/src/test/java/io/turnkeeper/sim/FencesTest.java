package io.turnkeeper.sim;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.sim.Simulation.Fault;
import io.turnkeeper.sim.Simulation.Plan;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/** The simulator is worth something only if it finds what it is to guard against. */
@DbTest
@Tag("sim")
@Tag("embedded")
class FencesTest {
  private static final int SEEDS_MAX = Integer.getInteger("sim.fence.seeds", 40);
  private static final int AT_ONCE = 2;

  /** What came of a guard's absence. */
  private record Outcome(@Nullable String found, long seeds, int stuck) {}

  private static final ExecutorService THREADS = Executors.newFixedThreadPool(AT_ONCE);
  private static final BlockingQueue<SimDatabase> DATABASES = new LinkedBlockingQueue<>();
  private static final Map<Case, Future<Outcome>> OUTCOMES = new ConcurrentHashMap<>();

  private static @Nullable Level before;

  /** All are tried from here on, so many at a time; each test waits for its own. */
  @BeforeAll
  static void begin(@TempDir Path data) throws SQLException {
    before = product().getLevel();
    product().setLevel(Level.OFF);
    for (int i = 0; i < AT_ONCE; i++) {
      DATABASES.add(new SimDatabase());
    }
    CASES.forEach(one -> OUTCOMES.put(one, THREADS.submit(() -> told(one, outcome(one, data)))));
  }

  @AfterAll
  static void asBefore() throws SQLException {
    THREADS.close();
    for (SimDatabase database : DATABASES) {
      database.close();
    }
    product().setLevel(before);
  }

  private static Logger product() {
    return (Logger) LoggerFactory.getLogger("io.turnkeeper");
  }

  private record Case(Fence fence, Plan plan) {
    @Override
    public String toString() {
      return fence.toString();
    }
  }

  /** The SQL alone is to keep a replica out that does not know that it was taken for dead. */
  private static Case unaware(Fence fence) {
    return new Case(fence, Plan.with(Fault.CUT_OFF).withoutDeadline());
  }

  private static Case under(Fence fence, Fault... faults) {
    return new Case(fence, Plan.with(faults));
  }

  /**
   * In front of every write of a session, in the same transaction: alone it is covered by the fence
   * of each statement behind it, and each of those by it. So each is taken out together with it.
   */
  private static Fence lockLeasesAnd(String name) {
    return Fence.without("the fence in front of all writes, and that of " + name)
        .where("FOR UPDATE OF m", "AND state IN ('live', 'draining') FOR KEY SHARE", "")
        .where("FOR UPDATE OF m", "AND i.epoch = m.epoch", "")
        .where("FOR UPDATE OF m", "m.conversation_key, m.epoch", "m.conversation_key, i.epoch")
        .where("FOR UPDATE OF m", "JOIN fence ON fence.id = m.replica_id", "CROSS JOIN fence");
  }

  private static final List<Case> CASES = cases().filter(FencesTest::asked).toList();

  private static Stream<Case> cases() {
    String head = "ORDER BY r.turn LIMIT 1";
    String appends = "INSERT INTO run_events (run_id, seq, organization_id, kind, data)\nSELECT i.";
    return Stream.of(
        unaware(
            lockLeasesAnd("events")
                .where(appends, "AND state IN ('live', 'draining') FOR KEY SHARE", "")
                .where(appends, "AND m.epoch = i.epoch", "")
                .where(appends, "JOIN fence ON fence.id = m.replica_id", "CROSS JOIN fence")),
        unaware(
            lockLeasesAnd("the end of a run")
                .where("settled AS", "AND r.epoch = i.epoch", "")
                .where("settled AS", "AND m.epoch = s.epoch", "")
                .where("settled AS", "AND m.replica_id = ?", "AND ? IS NOT NULL")),
        unaware(
            lockLeasesAnd("giving a run back")
                .where("back AS", "AND r.epoch = ?", "AND ? IS NOT NULL")
                .where("back AS", "AND m.epoch = ?", "AND ? IS NOT NULL")
                .where("back AS", "AND m.replica_id = ?", "AND ? IS NOT NULL")),
        unaware(
            lockLeasesAnd("giving a lease back")
                .where("SET state = CASE WHEN m.pending = 0", "AND m.epoch = i.epoch", "")
                .where(
                    "SET state = CASE WHEN m.pending = 0",
                    "AND m.replica_id = ?",
                    "AND ? IS NOT NULL")),
        unaware(
            Fence.without("the fence of snapshots")
                .where("SELECT EXISTS (", "AND state IN ('live', 'draining') FOR KEY SHARE", "")
                .where(
                    "SELECT EXISTS (",
                    "AND m.epoch = ? AND m.state = 'leased'",
                    "AND ? IS NOT NULL")
                .where(
                    "SELECT EXISTS (",
                    "JOIN fence ON fence.id = m.replica_id",
                    "CROSS JOIN fence")),
        under(
            Fence.without("the status that only a run under way has")
                .where("finished_at = now()", "AND r.status IN ('running', 'waiting')", ""),
            Fault.COMMIT_IN_DOUBT),
        under(
            Fence.without("the status that only a queued run has")
                .where("AND r.status = 'pending'", "AND r.status = 'pending'", ""),
            Fault.values()),
        under(
            Fence.without("a new epoch at a takeover")
                .where("SET replica_id = ?, epoch", "<< 32) + 1", "<< 32)"),
            Fault.KILL,
            Fault.BEGIN),
        under(
            Fence.without("a new epoch at a claim")
                .where("SET state = 'leased'", "<< 32) + 1", "<< 32)"),
            Fault.values()),
        unaware(
            Fence.without("the life of the replica that claims")
                .where("granted AS", "AND state = 'live' FOR KEY SHARE", "")),
        under(
            Fence.without("the second look before a burial")
                .where(
                    "locked AS MATERIALIZED",
                    "SELECT clock_timestamp()",
                    "SELECT true OR clock_timestamp()"),
            Fault.PAUSE,
            Fault.CUT_SESSION),
        under(
            Fence.without("the life of the replica that takes over")
                .where(
                    "id = ? AND p.state IN ('live', 'draining') FOR KEY SHARE",
                    "AND p.state IN ('live', 'draining') FOR KEY SHARE",
                    ""),
            Fault.PAUSE,
            Fault.CUT_OFF),
        new Case(
            Fence.without("self-fencing and the warden, which cover each other"),
            Plan.with(Fault.CUT_OFF).withoutDeadline().withoutWarden()),
        under(
            Fence.without("the order of turns").where(head, head, "ORDER BY r.turn DESC LIMIT 1")));
  }

  private static boolean asked(Case one) {
    return one.fence().toString().contains(System.getProperty("sim.fence", ""));
  }

  static List<Case> fences() {
    return CASES;
  }

  @ParameterizedTest
  @MethodSource("fences")
  void what_a_fence_holds_off_is_found_without_it(Case one) throws Exception {
    Outcome outcome = Objects.requireNonNull(OUTCOMES.get(one)).get();
    if (!one.fence().intactSql()) {
      assertThat(one.fence().unused()).as("no statement has this any more").isEmpty();
    }
    assertThat(outcome.found()).isNotNull();
  }

  private static Outcome told(Case one, Outcome outcome) {
    System.err.printf(
        "without %s: after %d seeds, %d stuck (%d statements changed): %s%n",
        one, outcome.seeds(), outcome.stuck(), one.fence().hits(), outcome.found());
    return outcome;
  }

  /** Only a broken promise counts: a change that the database refuses proves nothing. */
  private static Outcome outcome(Case one, Path data) throws Exception {
    SimDatabase database = DATABASES.take();
    int stuck = 0;
    try {
      for (long seed = 1; seed <= SEEDS_MAX; seed++) {
        try {
          Path place = data.resolve(Integer.toHexString(System.identityHashCode(one)));
          new Simulation(database, place, one.fence(), one.plan(), seed).run();
        } catch (Violation broken) {
          String found = String.valueOf(broken.getMessage()).lines().findFirst().orElse("");
          if (!found.startsWith(Simulation.UNFINISHED)) {
            return new Outcome(found, seed, stuck);
          }
          stuck++;
        } catch (IllegalStateException notASimulation) {
          stuck++;
        }
      }
      return new Outcome(null, SEEDS_MAX, stuck);
    } finally {
      DATABASES.add(database);
    }
  }
}
