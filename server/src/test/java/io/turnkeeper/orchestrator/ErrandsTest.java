package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.RunId;
import io.turnkeeper.queue.RunCommand;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class ErrandsTest {
  private static final RunCommand CANCEL =
      new RunCommand(
          7, 1, new RunId(UUID.randomUUID()), RunCommand.Kind.CANCEL, Json.object().put("a", 1));

  private final List<Long> carriedOut = new ArrayList<>();
  private long nanos;
  private final Errands errands =
      new Errands(
          new Clock() {
            @Override
            public Instant now() {
              return Instant.EPOCH;
            }

            @Override
            public long nanos() {
              return nanos;
            }
          });

  private boolean carryOut(RunCommand command) {
    return carriedOut.add(command.id());
  }

  @Test
  void what_is_read_again_before_it_was_dropped_is_carried_out_once() {
    errands.carryOut(List.of(CANCEL), this::carryOut);
    assertThat(errands.done()).containsExactly(7L);
    // The drop got no answer: it is read again, and dropped again.
    errands.carryOut(List.of(CANCEL), this::carryOut);
    assertThat(carriedOut).containsExactly(7L);
    assertThat(errands.done()).containsExactly(7L);
    errands.dropped(List.of(7L));
    assertThat(errands.done()).isEmpty();
  }

  @Test
  void what_cannot_be_carried_out_is_tried_again_for_a_while_and_then_dropped() {
    errands.carryOut(List.of(CANCEL), command -> false);
    assertThat(errands.done()).isEmpty();
    nanos += Duration.ofSeconds(6).toNanos();
    errands.carryOut(List.of(CANCEL), command -> false);
    assertThat(errands.done()).containsExactly(7L);
  }

  @Test
  void what_is_another_replicas_by_now_is_not_dropped_by_this_one() {
    errands.carryOut(List.of(CANCEL), command -> false);
    nanos += Duration.ofSeconds(6).toNanos();
    errands.carryOut(List.of(), this::carryOut);
    assertThat(errands.done()).isEmpty();
    assertThat(carriedOut).isEmpty();
  }
}
