package io.turnkeeper.orchestrator;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.remote.Message;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/** What a worker from elsewhere says: messages that the log can take, or a refusal. */
@Tag("fuzz")
class WorkerMessageFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void what_a_worker_says_is_taken_or_refused(byte[] body) {
    JsonNode node;
    try {
      node = Json.parse(new String(body, StandardCharsets.UTF_8));
    } catch (JacksonException notJson) {
      return;
    }
    if (node instanceof ArrayNode events) {
      try {
        for (Message message : Messages.read(events)) {
          use(message);
        }
      } catch (Refusal refused) {
        return;
      }
    }
  }

  /** As the holder of its run does. */
  private static void use(Message message) {
    switch (Messages.type(message.data())) {
      case Messages.RESULT -> Messages.end(message.data());
      case Messages.PERMISSION -> {
        Messages.permission(message.data());
        Messages.asked(message.data());
        Messages.byPolicy((ArrayNode) message.data().path("options"), true);
      }
      default -> Messages.update(message.data());
    }
  }
}
