package io.turnkeeper.gateway.langgraph;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.base.Refusal;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;

/** Last-Event-ID: a place in the log, or a refusal. */
@Tag("fuzz")
class CursorFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void an_id_is_a_place_or_refused(byte[] text) {
    Cursor cursor;
    try {
      cursor = Cursor.parse(new String(text, StandardCharsets.UTF_8));
    } catch (Refusal refused) {
      return;
    }
    assertThat(cursor.turn()).isNotNegative();
    assertThat(cursor.seq()).isNotNegative();
    assertThat(Cursor.parse(Cursor.id(cursor.turn(), cursor.seq(), 0, 0)).turn())
        .isEqualTo(cursor.turn());
  }
}
