package io.turnkeeper.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UnitsTest {
  @ParameterizedTest
  @CsvSource({
    "0,0",
    "400ms,400",
    "5s,5000",
    "1.5s,1500",
    "1m30s,90000",
    "2h,7200000",
    "30d,2592000000"
  })
  void a_duration_is_read_with_its_unit(String text, long millis) {
    assertThat(Units.duration(text)).isEqualTo(Duration.ofMillis(millis));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "5", "5 s", "s", "-1s", "1w", "1e3s", "five", "9999999999999s"})
  void what_is_no_duration_is_refused(String text) {
    assertThatThrownBy(() -> Units.duration(text)).isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0s", "400ms", "5s", "1m30s", "1h", "1d2h3m4s5ms"})
  void a_duration_is_shown_as_it_is_written(String text) {
    assertThat(Units.show(Units.duration(text))).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource({
    "0,0",
    "17,17",
    "1B,1",
    "1KB,1000",
    "1KiB,1024",
    "64MB,64000000",
    "4 MiB,4194304",
    "1.5GiB,1610612736"
  })
  void a_size_is_read_with_its_unit(String text, long bytes) {
    assertThat(Units.size(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-1", "1TB", "MB", "1 2MB", "0x10"})
  void what_is_no_size_is_refused(String text) {
    assertThatThrownBy(() -> Units.size(text)).isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0B", "17B", "64MB", "4MiB", "2GiB", "3KB"})
  void a_size_is_shown_as_it_is_written(String text) {
    assertThat(Units.show(Units.size(text))).isEqualTo(text);
  }

  @Test
  void the_message_for_a_wrong_unit_names_the_right_ones() {
    assertThatThrownBy(() -> Units.duration("5min")).hasMessageContaining("a duration looks like");
    assertThatThrownBy(() -> Units.duration("5w")).hasMessageContaining("use ms, s, m, h or d");
  }
}
