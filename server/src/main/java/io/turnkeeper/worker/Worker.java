package io.turnkeeper.worker;

import java.util.Optional;

/**
 * One conversation's live agent. All methods may be called from any thread; at most one {@link
 * #prompt} at a time.
 */
public interface Worker extends AutoCloseable {
  /** How the agent got the memory of earlier turns back when this worker started. */
  Restore restored();

  /** What another replica needs to bring this session back. Empty for a command worker. */
  Optional<Session> session();

  /**
   * Runs one turn and blocks until it has ended, however long that takes: bounding it is the
   * caller's business, with {@link #cancel}. The listener is called on another thread, in order,
   * and never after this returns, except for {@link TurnListener#late}. A listener that throws ends
   * the turn as failed and kills the worker. If the calling thread is interrupted the worker is
   * killed.
   *
   * @throws IllegalStateException when a turn is already running
   */
  TurnEnd prompt(Turn turn, TurnListener listener) throws InterruptedException;

  /**
   * Ends the running turn, and returns at once. The agent is asked through its protocol; after the
   * cancel grace its process group gets TERM, after the term grace KILL, so {@link #prompt} returns
   * within the sum of the two. Does nothing when no turn is running, or the second time.
   */
  void cancel();

  /** Answers a question that was told to {@link TurnListener#permissionRequested}. */
  Answered answer(String permissionId, PermissionAnswer answer);

  /** Whether this worker can take another turn. */
  boolean alive();

  /**
   * Memory of all its processes, in bytes; 0 when it has none. Costs a scan of the process table.
   */
  long residentBytes();

  /** Kills every process of this worker now, without grace. An open turn ends as failed. */
  void kill();

  /**
   * Takes no turn any more, and starts no process: for who kills its processes at the same time.
   */
  default void retire() {
    kill();
  }

  /** End of input, TERM, term grace, KILL; blocks until the processes are gone. Idempotent. */
  @Override
  void close();

  /** What became of an answer. */
  enum Answered {
    /** The agent was told. */
    DONE,
    /** No such question is open: it was answered, expired, or cancelled with its turn. */
    GONE,
    /** The agent did not offer that option. The question stays open. */
    NO_SUCH_OPTION
  }
}
