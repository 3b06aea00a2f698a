package io.turnkeeper.worker;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.base.Json;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;

/** What an agent answers to the greeting, and when its session is to come back. */
@Tag("fuzz")
class AcpStartFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void no_answer_to_the_greeting_stops_the_protocol(byte[] printed) {
    AcpProtocol protocol =
        new AcpProtocol(Permissions.ASK, new AcpProtocol.Start("/w", new Session("o", "/w"), true));
    protocol.begin();
    for (String line : new String(printed, StandardCharsets.UTF_8).split("\n", -1)) {
      protocol.line(line);
      protocol.takeLines().forEach(Json::parse);
      protocol.takeHappenings();
    }
  }
}
