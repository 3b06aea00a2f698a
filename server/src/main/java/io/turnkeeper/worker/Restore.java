package io.turnkeeper.worker;

/** How a worker's session came to be. The orchestrator adds "warm" when it reuses a live worker. */
public enum Restore {
  /** There was nothing to bring back. */
  NONE,
  /** The agent loaded its session from its files, and showed that it has the history. */
  LOAD,
  /**
   * The agent resumed its session from its files. The protocol gives no way to check its memory.
   */
  RESUME,
  /** A new session; the transcript so far is put before its first prompt as text. */
  REPLAY
}
