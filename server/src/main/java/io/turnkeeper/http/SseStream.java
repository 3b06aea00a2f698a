package io.turnkeeper.http;

import io.turnkeeper.base.Json;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Server-sent events. One write to the peer per event.
 *
 * <p>Clients in use join several {@code data:} lines without a newline and take a lone blank line
 * for an event. So data is always one line, and a heartbeat is a comment that no blank line
 * follows.
 */
public final class SseStream extends LongResponse {
  private static final byte[] HEARTBEAT = ": heartbeat\n".getBytes(StandardCharsets.US_ASCII);
  private static final Pattern LINE_ENDS = Pattern.compile("[\\r\\n\\u0000]");

  SseStream(OutputStream out) {
    super(out);
  }

  /**
   * Sends one event.
   *
   * @param id what a client sends back as {@code Last-Event-ID} to go on from here; null leaves its
   *     position as it is
   * @throws StreamClosed when the peer is gone, does not read, or this server stops
   */
  public void send(String event, @Nullable String id, JsonNode data) {
    send(event, id, Json.write(data));
  }

  /**
   * As the other, for data that is JSON text already. Line breaks in it are only layout, and are
   * dropped.
   */
  public void send(String event, @Nullable String id, String json) {
    write(encode(event, id, json).getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Sends text for a browser, which joins the lines with line breaks as the standard has it; other
   * clients do not.
   *
   * @throws StreamClosed as {@link #send}
   */
  public void sendText(String event, String text) {
    StringBuilder frame = new StringBuilder(text.length() + 64);
    frame.append("event: ").append(oneLine(event));
    text.lines().forEach(line -> frame.append("\ndata: ").append(oneLine(line)));
    write(frame.append("\n\n").toString().getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Says after how long a browser that lost this stream comes back.
   *
   * @throws StreamClosed as {@link #send}
   */
  public void retryAfter(Duration pause) {
    write(("retry: " + pause.toMillis() + "\n\n").getBytes(StandardCharsets.US_ASCII));
  }

  /**
   * Tells the peer, and this server, that the connection lives.
   *
   * @throws StreamClosed as {@link #send}
   */
  public void heartbeat() {
    write(HEARTBEAT);
  }

  /** Ends the stream as complete: the client will not come back for more. */
  public void end() {
    markEnded();
  }

  static String encode(String event, @Nullable String id, String json) {
    StringBuilder text = new StringBuilder(json.length() + 64);
    text.append("event: ").append(oneLine(event));
    text.append("\ndata: ").append(oneLine(json));
    if (id != null) {
      text.append("\nid: ").append(oneLine(id));
    }
    return text.append("\n\n").toString();
  }

  private static String oneLine(String text) {
    return LINE_ENDS.matcher(text).replaceAll("");
  }
}
