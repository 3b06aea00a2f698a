package io.turnkeeper.http;

import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A response that is written piece by piece. Each write reaches the peer before it returns, or
 * blocks until the peer reads, at most for the idle timeout. Belongs to its request's handler: only
 * {@code end} finishes it; a handler that leaves without it cuts the connection, so that a client
 * can tell a whole answer from a broken one.
 */
public abstract sealed class LongResponse permits SseStream, PendingJson, Download {
  private final OutputStream out;
  private final Object lock = new Object();
  private final List<Runnable> closeListeners = new ArrayList<>();
  private StreamClosed.@Nullable Reason closed;
  private volatile boolean ended;

  LongResponse(OutputStream out) {
    this.out = out;
  }

  /** False once the peer is known to be gone, or this server stops. */
  public final boolean isOpen() {
    synchronized (lock) {
      return closed == null;
    }
  }

  /**
   * Runs the action when the response is closed from outside its handler, or at once when it
   * already is: to wake a handler that waits. Must not block.
   */
  public final void onClose(Runnable action) {
    synchronized (lock) {
      if (closed == null) {
        closeListeners.add(action);
        return;
      }
    }
    action.run();
  }

  final void write(byte[] bytes) {
    synchronized (lock) {
      if (closed != null) {
        throw new StreamClosed(closed);
      }
    }
    if (ended) {
      throw new IllegalStateException("the response has ended");
    }
    try {
      out.write(bytes);
      out.flush();
    } catch (IOException gone) {
      throw new StreamClosed(close(StreamClosed.Reason.PEER));
    }
  }

  final void markEnded() {
    ended = true;
  }

  final boolean ended() {
    return ended;
  }

  /** Answers the first reason that closed it. */
  final StreamClosed.Reason close(StreamClosed.Reason reason) {
    List<Runnable> listeners;
    synchronized (lock) {
      if (closed != null) {
        return closed;
      }
      closed = reason;
      listeners = List.copyOf(closeListeners);
    }
    listeners.forEach(Runnable::run);
    return reason;
  }
}
