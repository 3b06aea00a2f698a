package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The whole table of what becomes of a run whose worker was lost. */
@Promise(5)
class WorkerLossTest {
  private static final WorkerLoss FAILS = new WorkerLoss.Fail();
  private static final WorkerLoss AT_ONCE = after(0);

  /**
   * @param produced whether the agent had shown any sign of work
   * @param attempt the one that was lost
   */
  private record Case(
      OnWorkerLoss policy, boolean produced, int attempt, int attemptsMax, WorkerLoss becomes) {}

  private static WorkerLoss after(long millis) {
    return new WorkerLoss.Again(Duration.ofMillis(millis));
  }

  @TestFactory
  List<DynamicTest> what_becomes_of_a_run() {
    return List.of(
            // The default: what has begun to do something is not done again.
            new Case(OnWorkerLoss.FAIL, true, 1, 3, FAILS),
            new Case(OnWorkerLoss.FAIL, true, 2, 3, FAILS),
            new Case(OnWorkerLoss.FAIL, false, 1, 3, AT_ONCE),
            new Case(OnWorkerLoss.FAIL, false, 2, 3, after(1_000)),
            // The owner said so: it is done again, for as many attempts as there are.
            new Case(OnWorkerLoss.RETRY, true, 1, 3, AT_ONCE),
            new Case(OnWorkerLoss.RETRY, false, 1, 3, AT_ONCE),
            new Case(OnWorkerLoss.RETRY, true, 2, 3, after(1_000)),
            new Case(OnWorkerLoss.RESUME, true, 1, 3, AT_ONCE),
            new Case(OnWorkerLoss.RESUME, false, 1, 3, AT_ONCE),
            new Case(OnWorkerLoss.RESUME, true, 2, 3, after(1_000)),
            // The last attempt is the last, whatever the policy says.
            new Case(OnWorkerLoss.FAIL, false, 3, 3, FAILS),
            new Case(OnWorkerLoss.RETRY, false, 3, 3, FAILS),
            new Case(OnWorkerLoss.RESUME, true, 3, 3, FAILS),
            new Case(OnWorkerLoss.RETRY, true, 1, 1, FAILS),
            new Case(OnWorkerLoss.RETRY, true, 4, 3, FAILS),
            // The delay doubles, up to a minute, however often it was lost.
            new Case(OnWorkerLoss.RETRY, true, 3, 1_000, after(2_000)),
            new Case(OnWorkerLoss.RETRY, true, 4, 1_000, after(4_000)),
            new Case(OnWorkerLoss.RETRY, true, 7, 1_000, after(32_000)),
            new Case(OnWorkerLoss.RETRY, true, 8, 1_000, after(60_000)),
            new Case(OnWorkerLoss.RETRY, true, 22, 1_000, after(60_000)),
            new Case(OnWorkerLoss.RETRY, true, 999, 1_000, after(60_000)))
        .stream()
        .map(it ->
            DynamicTest.dynamicTest(
                it.toString(),
                () ->
                    assertThat(
                            WorkerLoss.decide(
                                it.policy(), it.produced(), it.attempt(), it.attemptsMax()))
                        .isEqualTo(it.becomes())))
        .toList();
  }
}
