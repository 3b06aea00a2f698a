package io.turnkeeper.worker;

import io.turnkeeper.base.Clock;
import org.jspecify.annotations.Nullable;

/** Every worker of this replica, and the warden that kills them when the replica cannot. */
public final class Workers implements AutoCloseable {
  private final WorkersConfig config;
  private final Clock clock;

  private Workers(WorkersConfig config, Clock clock) {
    this.config = config;
    this.clock = clock;
  }

  /** Starts the warden. */
  public static Workers open(WorkersConfig config, Clock clock) {
    return new Workers(config, clock);
  }

  /**
   * Starts an agent and blocks until its session is ready, at most the spec's start timeout.
   *
   * @param previous the session to bring back, from the snapshot whose files are in place now
   * @param transcript the conversation so far as text, "" when there is none: what the agent is
   *     told when it cannot bring the session back
   * @throws WorkerFailure when it cannot be started; nothing of it is left running
   */
  public Worker start(WorkerSpec spec, @Nullable Session previous, String transcript)
      throws WorkerFailure, InterruptedException {
    throw new WorkerFailure("worker_start_failed", config + " " + clock);
  }

  /** Tells the warden that the lease is confirmed. Without it every worker dies: see the config. */
  public void beat() {}

  /** Fenced: kills every worker now. New ones may be started afterwards. */
  public void killAll() {}

  /** Closes every worker, all at the same time, then ends the warden. */
  @Override
  public void close() {}
}
