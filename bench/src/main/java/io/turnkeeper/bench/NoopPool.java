package io.turnkeeper.bench;

import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.Restore;
import io.turnkeeper.worker.Session;
import io.turnkeeper.worker.Turn;
import io.turnkeeper.worker.TurnEnd;
import io.turnkeeper.worker.TurnListener;
import io.turnkeeper.worker.Worker;
import io.turnkeeper.worker.WorkerPool;
import io.turnkeeper.worker.WorkerSpec;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Workers inside this process: a turn costs what the handler makes it cost, and the rest is the
 * product's share.
 */
final class NoopPool implements WorkerPool {
  /** What a turn does. */
  interface Handler {
    void handle(Turn turn, TurnListener listener) throws InterruptedException;
  }

  private final Handler handler;
  private final boolean warm;

  /**
   * @param warm whether a worker stays between turns as an agent's process does; if not, it is as a
   *     command's, and the conversation is given back when it has nothing to do
   */
  NoopPool(boolean warm, Handler handler) {
    this.warm = warm;
    this.handler = handler;
  }

  @Override
  public Worker start(WorkerSpec spec, @Nullable Session previous, String transcript) {
    return new Noop(spec.workDir().toString());
  }

  @Override
  public void killAll() {}

  private final class Noop implements Worker {
    private final Session session;
    private volatile boolean dead;
    private volatile @Nullable Thread prompting;

    private Noop(String cwd) {
      this.session = new Session("noop", cwd);
    }

    @Override
    public Restore restored() {
      return Restore.NONE;
    }

    @Override
    public Optional<Session> session() {
      return warm ? Optional.of(session) : Optional.empty();
    }

    @Override
    public TurnEnd prompt(Turn turn, TurnListener listener) throws InterruptedException {
      prompting = Thread.currentThread();
      try {
        handler.handle(turn, listener);
        return new TurnEnd.Ended("end_turn", null);
      } catch (InterruptedException cancelled) {
        return new TurnEnd.Cancelled();
      } finally {
        prompting = null;
      }
    }

    @Override
    public void cancel() {
      Thread now = prompting;
      if (now != null) {
        now.interrupt();
      }
    }

    @Override
    public Answered answer(String permissionId, PermissionAnswer answer) {
      return Answered.GONE;
    }

    @Override
    public boolean alive() {
      return !dead;
    }

    @Override
    public long residentBytes() {
      return 0;
    }

    @Override
    public void kill() {
      dead = true;
      cancel();
    }

    @Override
    public void close() {
      kill();
    }
  }
}
