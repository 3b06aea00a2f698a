package io.turnkeeper.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import org.junit.jupiter.api.Tag;
import tools.jackson.databind.JsonNode;

/** Bodies of requests: a document that can be stored and read again, or a refusal. */
@Tag("fuzz")
class BodyFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void a_body_is_a_document_or_refused(byte[] body) {
    JsonNode read;
    try {
      read = RequestBody.parse(body);
    } catch (Refusal refused) {
      return;
    }
    assertThat(Json.parse(Json.write(read))).isEqualTo(Json.parse(Json.write(read)));
  }
}
