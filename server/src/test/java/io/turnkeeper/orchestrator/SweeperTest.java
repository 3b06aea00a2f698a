package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SweeperTest {
  private static final Instant NOW = Instant.parse("2026-11-25T12:00:00Z");

  @TempDir Path data;
  private final Set<Long> served = new HashSet<>();

  private Sweeper sweeper() {
    return new Sweeper(
        data,
        Duration.ofDays(1),
        key ->
            step -> {
              if (served.contains(key)) {
                return false;
              }
              step.run();
              return true;
            });
  }

  private Path place(long key, Duration ago) throws IOException {
    Path place = data.resolve("conversations/org").resolve(Long.toString(key));
    Files.createDirectories(place.resolve("state/home"));
    Files.writeString(place.resolve("state/home/notes"), "what it knows");
    Files.setLastModifiedTime(place, FileTime.from(NOW.minus(ago)));
    return place;
  }

  @Test
  void what_was_not_served_here_for_a_day_goes_and_the_rest_stays() throws IOException {
    Path old = place(1, Duration.ofHours(25));
    Path fresh = place(2, Duration.ofHours(23));
    Path busy = place(3, Duration.ofDays(9));
    served.add(3L);

    assertThat(sweeper().sweep(NOW)).isEqualTo(1);

    assertThat(old).doesNotExist();
    assertThat(fresh.resolve("state/home/notes")).exists();
    assertThat(busy.resolve("state/home/notes")).exists();
  }

  @Test
  void what_a_crash_left_half_removed_goes_with_the_next_pass() throws IOException {
    Path left = data.resolve("conversations/org/swept-7/state");
    Files.createDirectories(left);

    assertThat(sweeper().sweep(NOW)).isEqualTo(1);

    assertThat(left.getParent()).doesNotExist();
  }

  @Test
  void a_link_out_of_the_place_is_removed_and_not_followed() throws IOException {
    Path outside = Files.writeString(data.resolve("outside"), "not the agent's");
    Path place = place(4, Duration.ofDays(2));
    Files.createSymbolicLink(place.resolve("state/home/link"), outside);
    Files.setLastModifiedTime(place, FileTime.from(NOW.minus(Duration.ofDays(2))));

    sweeper().sweep(NOW);

    assertThat(place).doesNotExist();
    assertThat(outside).exists();
  }

  @Test
  void a_disk_without_conversations_is_clean() {
    assertThat(sweeper().sweep(NOW)).isZero();
  }
}
