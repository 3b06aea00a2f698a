package io.turnkeeper.http;

import io.turnkeeper.base.Json;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import tools.jackson.databind.JsonNode;

/**
 * A JSON document that is not known yet. White space before it keeps the connection alive. The
 * status has been sent already, so a failure must be part of the document.
 */
public final class PendingJson extends LongResponse {
  private static final byte[] NEWLINE = {'\n'};

  PendingJson(OutputStream out) {
    super(out);
  }

  /**
   * Writes one newline.
   *
   * @throws StreamClosed when the peer is gone, or this server stops
   */
  public void keepAlive() {
    write(NEWLINE);
  }

  /**
   * Writes the document and ends the response.
   *
   * @throws StreamClosed as {@link #keepAlive}
   */
  public void end(JsonNode document) {
    write(Json.write(document).getBytes(StandardCharsets.UTF_8));
    markEnded();
  }
}
