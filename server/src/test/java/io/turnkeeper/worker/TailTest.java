package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TailTest {
  private static String tail(int bytesMax, List<String> values, String... written) {
    Tail tail = new Tail(bytesMax, Secrets.inErrors(named(values)));
    for (String piece : written) {
      byte[] bytes = piece.getBytes(StandardCharsets.UTF_8);
      tail.write(bytes, bytes.length);
    }
    return tail.text();
  }

  private static Map<String, String> named(List<String> values) {
    Map<String, String> named = new HashMap<>();
    values.forEach(value -> named.put("NAME_" + named.size(), value));
    return named;
  }

  @Test
  void values_of_four_characters_and_more_are_hidden() {
    assertThat(tail(1_000, List.of("4711", "s3cr3", "hunter2"), "pin 4711, s3cr3 and hunter2"))
        .isEqualTo("pin ***, *** and ***");
  }

  @Test
  void flags_and_small_numbers_are_left_alone() {
    assertThat(tail(1_000, List.of("1", "on", "yes", ""), "1 of 10 gone on, yes"))
        .isEqualTo("1 of 10 gone on, yes");
  }

  @Test
  void a_value_that_holds_another_one_is_hidden_whole() {
    assertThat(tail(1_000, List.of("abcd", "abcdefgh"), "it was abcdefgh")).isEqualTo("it was ***");
  }

  @Test
  void a_value_is_hidden_also_where_it_came_in_pieces_or_the_tail_begins_in_it() {
    assertThat(tail(1_000, List.of("hunter2"), "it was hun", "ter2")).isEqualTo("it was ***");
    for (int more = 0; more < 12; more++) {
      String shown = tail(10, List.of("hunter2"), "x".repeat(50) + "hunter2" + "y".repeat(more));
      assertThat(shown).doesNotContain("unter2", "nter2", "ter2", "er2", "r2");
    }
  }
}
