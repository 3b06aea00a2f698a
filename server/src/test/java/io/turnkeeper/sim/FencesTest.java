package io.turnkeeper.sim;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.sim.Simulation.Fault;
import java.nio.file.Path;
import java.sql.SQLException;
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
@Tag("embedded")
class FencesTest {
  private static final int SEEDS_MAX = Integer.getInteger("sim.fence.seeds", 60);

  private static @Nullable Level before;

  @BeforeAll
  static void quiet() {
    before = product().getLevel();
    product().setLevel(Level.OFF);
  }

  @AfterAll
  static void asBefore() {
    product().setLevel(before);
  }

  private static Logger product() {
    return (Logger) LoggerFactory.getLogger("io.turnkeeper");
  }

  private record Case(Fence fence, Simulation.Plan plan) {
    @Override
    public String toString() {
      return fence.toString();
    }
  }

  private static Case sql(Fence fence) {
    return new Case(fence, Simulation.Plan.standard());
  }

  private static boolean asked(Case one) {
    return one.fence().toString().contains(System.getProperty("sim.fence", ""));
  }

  private static Case under(Fence fence, Fault... faults) {
    return new Case(fence, Simulation.Plan.with(faults));
  }

  static Stream<Case> fences() {
    String queued = "AND r.status = 'pending'";
    String head = "ORDER BY r.turn LIMIT 1";
    String holder = "JOIN fence ON fence.id = m.replica_id";
    return Stream.of(
            under(
                Fence.without("the epoch in every write, and the life of its holder")
                    .where("FOR KEY SHARE", "AND state IN ('live', 'draining') FOR KEY SHARE", "")
                    .where("m.epoch = i.epoch", "AND m.epoch = i.epoch", "")
                    .where("i.epoch = m.epoch", "AND i.epoch = m.epoch", "")
                    .where("r.epoch = i.epoch", "AND r.epoch = i.epoch", "")
                    .where("m.epoch = s.epoch", "AND m.epoch = s.epoch", "")
                    .where("m.epoch = ?", "AND m.epoch = ?", "AND ? IS NOT NULL")
                    .where("m.replica_id = ?", "AND m.replica_id = ?", "AND ? IS NOT NULL")
                    .where("JOIN fence ON", holder, "CROSS JOIN fence"),
                Fault.CUT_OFF),
            under(
                Fence.without("the status that only a run under way has")
                    .where("finished_at = now()", "AND r.status IN ('running', 'waiting')", ""),
                Fault.COMMIT_IN_DOUBT),
            sql(Fence.without("the status that only a queued run has").where(queued, queued, "")),
            sql(
                Fence.without("a new epoch at a takeover")
                    .where("SET replica_id = ?, epoch", "<< 32) + 1", "<< 32)")),
            sql(
                Fence.without("a new epoch at a claim")
                    .where("SET state = 'leased'", "<< 32) + 1", "<< 32)")),
            under(
                Fence.without("the life of the replica that claims")
                    .where("granted AS", "AND state = 'live' FOR KEY SHARE", ""),
                Fault.CUT_OFF),
            under(
                Fence.without("the second look before a burial")
                    .where(
                        "AS unlocked",
                        "SELECT clock_timestamp()",
                        "SELECT true OR clock_timestamp()"),
                Fault.PAUSE,
                Fault.CUT_SESSION),
            under(
                Fence.without("the fence of snapshots")
                    .where(
                        "SELECT EXISTS (",
                        "AND m.epoch = ? AND m.state = 'leased'",
                        "AND ? IS NOT NULL")
                    .where("SELECT EXISTS (", holder, "LEFT JOIN fence ON true"),
                Fault.CUT_OFF),
            new Case(
                Fence.without("self-fencing"),
                Simulation.Plan.with(Fault.CUT_OFF).withoutDeadline()),
            sql(
                Fence.without("the order of turns")
                    .where(head, head, "ORDER BY r.turn DESC LIMIT 1")))
        .filter(FencesTest::asked);
  }

  @ParameterizedTest
  @MethodSource("fences")
  void what_a_fence_holds_off_is_found_without_it(Case one, @TempDir Path data)
      throws SQLException {
    String found = null;
    long seed = 1;
    try (SimDatabase database = new SimDatabase()) {
      for (; seed <= SEEDS_MAX && found == null; seed++) {
        try {
          new Simulation(database, data, one.fence(), one.plan(), seed).run();
        } catch (Violation broken) {
          found = String.valueOf(broken.getMessage()).lines().findFirst().orElse("");
        } catch (IllegalStateException stuck) {
          found = "stuck: " + stuck.getMessage();
        }
      }
    }
    System.err.printf(
        "without %s: after %d seeds (%d statements changed): %s%n",
        one, seed - 1, one.fence().hits(), found);
    assertThat(found).isNotNull();
  }
}
