package io.turnkeeper.sim;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGNotification;

/**
 * Where the thread of a process's session connection stands. It is a thread of the machine's, and
 * hands itself over: it waits here for the simulator, and the simulator for it.
 */
final class SessionLine {
  private static final long PATIENCE = Duration.ofSeconds(20).toNanos();

  private enum State {
    BUSY,
    /** Listens on its connection. */
    IDLE,
    /** Wants a new one. */
    WANTS,
    OVER
  }

  /** Ends the thread as the end of its process would: no code of it runs again. */
  private static final class Killed extends Error {
    private static final long serialVersionUID = 1L;

    Killed() {
      super(null, null, false, false);
    }
  }

  private State state = State.BUSY;
  private final List<String> heard = new ArrayList<>();
  private boolean starting;
  private boolean killed;
  private boolean granted;
  private @Nullable Link grant;

  /** On the thread of the session: waits until its connection breaks. */
  synchronized PGNotification[] idle(Link link) throws SQLException {
    state = State.IDLE;
    notifyAll();
    await(() -> link.noticed || !heard.isEmpty());
    state = State.BUSY;
    if (link.noticed) {
      throw Link.lost();
    }
    PGNotification[] all = heard.stream().map(Heard::new).toArray(PGNotification[]::new);
    heard.clear();
    return all;
  }

  /** Something was told; returns once it has been heard. */
  synchronized void hear(String payload) {
    awaitNot(State.BUSY);
    if (state == State.IDLE) {
      heard.add(payload);
      state = State.BUSY;
      notifyAll();
      awaitNot(State.BUSY);
    }
  }

  private record Heard(String payload) implements PGNotification {
    @Override
    public String getName() {
      return "turnkeeper";
    }

    @Override
    public int getPID() {
      return 0;
    }

    @Override
    public String getParameter() {
      return payload;
    }
  }

  /** On the thread of the session: waits for what becomes of its wish to connect. */
  synchronized Connection connect() throws SQLException {
    state = State.WANTS;
    notifyAll();
    await(() -> granted);
    granted = false;
    state = State.BUSY;
    Link link = grant;
    grant = null;
    if (link == null) {
      throw Link.lost();
    }
    return link.face();
  }

  /** A new session begins, with a thread of its own. */
  synchronized void begin() {
    state = State.BUSY;
    starting = false;
  }

  /** Its thread was started, and is on its way here. */
  synchronized void started() {
    starting = true;
  }

  synchronized void settle() {
    if (starting) {
      awaitNot(State.BUSY);
      starting = false;
    }
  }

  synchronized boolean listens() {
    return state == State.IDLE;
  }

  synchronized boolean wants() {
    return state == State.WANTS;
  }

  /** Tells it that its connection is cut, and waits until it has drawn the consequences. */
  synchronized void notice(Link link) {
    awaitNot(State.BUSY);
    if (state == State.IDLE) {
      link.noticed = true;
      state = State.BUSY;
      notifyAll();
      awaitNot(State.BUSY);
    }
  }

  /** Lets it connect, or fail to; waits until it has drawn the consequences. */
  synchronized void answer(@Nullable Link link) {
    grant = link;
    granted = true;
    state = State.BUSY;
    notifyAll();
    awaitNot(State.BUSY);
  }

  synchronized void kill() {
    killed = true;
    notifyAll();
  }

  private interface Condition {
    boolean holds();
  }

  private void await(Condition condition) throws SQLException {
    try {
      while (!condition.holds()) {
        if (killed) {
          Thread.currentThread().setUncaughtExceptionHandler((thread, end) -> {});
          throw new Killed();
        }
        wait();
      }
    } catch (InterruptedException closing) {
      state = State.OVER;
      notifyAll();
      throw Link.lost();
    }
  }

  private void awaitNot(State left) {
    long until = System.nanoTime() + PATIENCE;
    try {
      while (state == left) {
        if (System.nanoTime() > until) {
          throw new IllegalStateException("the session's thread does not settle");
        }
        wait(100);
      }
    } catch (InterruptedException stopping) {
      throw new IllegalStateException(stopping);
    }
  }
}
