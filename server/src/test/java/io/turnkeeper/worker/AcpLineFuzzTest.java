package io.turnkeeper.worker;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.base.Json;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;

/** What an agent prints: no line of it, and no number of lines, stops the protocol. */
@Tag("fuzz")
class AcpLineFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void no_line_of_an_agent_stops_the_protocol(byte[] printed) {
    AcpProtocol protocol =
        new AcpProtocol(Permissions.ASK, new AcpProtocol.Start("/w", null, false));
    protocol.begin();
    protocol.line("{\"id\":1,\"result\":{\"protocolVersion\":1,\"agentCapabilities\":{}}}");
    protocol.line("{\"id\":2,\"result\":{\"sessionId\":\"s\"}}");
    protocol.prompt(Json.array(), Json.object(), 1);
    for (String line : new String(printed, StandardCharsets.UTF_8).split("\n", -1)) {
      protocol.line(line);
      protocol.takeLines().forEach(Json::parse);
      protocol.takeHappenings();
    }
  }
}
