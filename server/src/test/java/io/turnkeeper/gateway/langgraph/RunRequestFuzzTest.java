package io.turnkeeper.gateway.langgraph;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** What a client asks for: a request that is checked whole, or a refusal. */
@Tag("fuzz")
class RunRequestFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void a_request_is_read_or_refused(byte[] body) {
    JsonNode node;
    try {
      node = Json.parse(new String(body, StandardCharsets.UTF_8));
    } catch (JacksonException notJson) {
      return;
    }
    if (node instanceof ObjectNode object) {
      try {
        RunRequest.read(object);
      } catch (Refusal refused) {
        return;
      }
    }
  }
}
