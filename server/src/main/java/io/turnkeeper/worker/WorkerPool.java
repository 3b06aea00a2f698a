package io.turnkeeper.worker;

import org.jspecify.annotations.Nullable;

/** Starts workers, and can end them all. */
public interface WorkerPool {
  /**
   * Starts an agent and blocks until its session is ready, at most the spec's start timeout. A
   * command worker starts nothing yet: its failures are its turns'.
   *
   * @param previous the session to bring back, from the snapshot whose files are in place now
   * @param transcript the conversation so far as text, "" when there is none: what the agent is
   *     told when it cannot bring the session back
   * @throws WorkerFailure when it cannot be started; nothing of it is left running
   */
  Worker start(WorkerSpec spec, @Nullable Session previous, String transcript)
      throws WorkerFailure, InterruptedException;

  /**
   * Fenced: kills every worker now, also one that is starting. New ones may be started after it.
   * The processes are found in one look at all, however many workers there are: others may take
   * over a moment later.
   */
  void killAll();
}
