package io.turnkeeper.http;

/**
 * A streaming response cannot go on. Handlers let it pass, or catch it to act on the reason; the
 * server treats it as an ordinary end.
 */
public final class StreamClosed extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Who ended it. */
  public enum Reason {
    /** The peer went away, or did not read for as long as the idle timeout. */
    PEER,
    /** This server is stopping; the client finds its place again elsewhere. */
    STOPPING
  }

  private final Reason reason;

  StreamClosed(Reason reason) {
    super("stream closed: " + reason, null, false, false);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
