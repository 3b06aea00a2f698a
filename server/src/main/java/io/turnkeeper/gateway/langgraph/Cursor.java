package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Refusal;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a client is in a conversation's streams: {@code TURN.SEQ} once it has seen all frames of an
 * event, {@code TURN.SEQ-FRAME} after one that is not the last.
 *
 * @param frame how many frames of the event were seen; 0 for all
 */
record Cursor(long turn, int seq, int frame) {
  private static final Pattern FORM = Pattern.compile("(\\d{1,18})\\.(\\d{1,9})(?:-(\\d{1,4}))?");
  static final Cursor START = new Cursor(0, 0, 0);

  /** What a client sent as Last-Event-ID; {@code -1} is the beginning. */
  static Cursor parse(String text) {
    if (text.isBlank() || text.equals("-1")) {
      return START;
    }
    Matcher matcher = FORM.matcher(text.strip());
    if (!matcher.matches()) {
      throw new Refusal.Invalid(
          "bad_event_id",
          "Last-Event-ID",
          "Last-Event-ID must be an id that this server sent, or -1 for the beginning");
    }
    String frame = matcher.group(3);
    return new Cursor(
        Long.parseLong(matcher.group(1)),
        Integer.parseInt(matcher.group(2)),
        frame == null ? 0 : Integer.parseInt(frame));
  }

  static String id(long turn, int seq, int frame, int frames) {
    return frame == frames ? turn + "." + seq : turn + "." + seq + "-" + frame;
  }

  /** Whether some of an event of the turn is news to the client. */
  boolean isBefore(long ofTurn, int ofSeq) {
    return !covers(ofTurn, ofSeq, Integer.MAX_VALUE);
  }

  /** Whether the client has this frame of an event of the turn already. */
  boolean covers(long ofTurn, int ofSeq, int ofFrame) {
    if (ofTurn != turn) {
      return ofTurn < turn;
    }
    if (ofSeq != seq) {
      return ofSeq < seq;
    }
    return frame == 0 || ofFrame <= frame;
  }
}
