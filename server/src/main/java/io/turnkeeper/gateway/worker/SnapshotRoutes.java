package io.turnkeeper.gateway.worker;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.orchestrator.WorkerPort;
import io.turnkeeper.tokens.RunScope;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** What a worker keeps from one run of a conversation to the next. */
final class SnapshotRoutes {
  private static final String RUN_ID = "run_id";
  private static final String SNAPSHOT = "snapshot";
  private static final String ENCODING = "encoding";
  private static final String BASE64 = "base64";
  private static final String TEXT = "text";

  private final WorkerPort port;

  SnapshotRoutes(WorkerPort port) {
    this.port = port;
  }

  void get(Exchange exchange, RunScope scope) {
    WorkerPort.Kept kept = port.snapshot(scope);
    ObjectNode answer = Json.object().put(RUN_ID, kept.run().toString()).put("turn", kept.turn());
    try {
      String text =
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(kept.state())).toString();
      answer.put(ENCODING, TEXT).put(SNAPSHOT, text);
    } catch (CharacterCodingException binary) {
      answer.put(ENCODING, BASE64).put(SNAPSHOT, Base64.getEncoder().encodeToString(kept.state()));
    }
    exchange.json(200, answer);
  }

  void post(Exchange exchange, RunScope scope) {
    if (!(exchange.bodyJson() instanceof ObjectNode body)) {
      throw malformed(null, "the body must be a JSON object");
    }
    RunId run =
        body.path(RUN_ID)
            .asStringOpt()
            .flatMap(RunId::parse)
            .orElseThrow(() -> malformed(RUN_ID, "run_id must be the id of the run"));
    port.putSnapshot(scope, run, state(body));
    exchange.json(200, Json.object().put(RUN_ID, run.toString()));
  }

  void delete(Exchange exchange, RunScope scope) {
    port.deleteSnapshots(scope);
    exchange.json(200, Json.object().put("deleted", true));
  }

  private static byte[] state(ObjectNode body) {
    JsonNode snapshot = body.path(SNAPSHOT);
    if (!snapshot.isString()) {
      throw malformed(SNAPSHOT, "snapshot must be a string");
    }
    return switch (body.path(ENCODING).asString(TEXT)) {
      case TEXT -> snapshot.stringValue().getBytes(StandardCharsets.UTF_8);
      case BASE64 -> {
        try {
          yield Base64.getDecoder().decode(snapshot.stringValue());
        } catch (IllegalArgumentException notBase64) {
          throw malformed(SNAPSHOT, "snapshot is not base64");
        }
      }
      default -> throw malformed(ENCODING, "encoding must be text or base64");
    };
  }

  private static Refusal malformed(@org.jspecify.annotations.Nullable String field, String why) {
    return new Refusal.Malformed("invalid_snapshot", field, why);
  }
}
