package io.turnkeeper.worker;

/**
 * A worker could not be started. The message is for the agent's owner: it says what to mend, and
 * holds no secret. Codes: command_not_found, command_not_executable, worker_start_timeout,
 * worker_died, worker_killed, worker_start_failed, protocol_version, protocol_broken,
 * auth_required, agent_error, command_not_visible, sandbox_missing, worker_memory_exceeded,
 * worker_processes_exceeded, worker_disk_exceeded.
 */
public final class WorkerFailure extends Exception {
  private static final long serialVersionUID = 1L;

  /** Its files took more than they may, and are worth nothing now. */
  public static final String DISK_EXCEEDED = "worker_disk_exceeded";

  private final String code;

  public WorkerFailure(String code, String message) {
    super(message);
    this.code = code;
  }

  /** A stable, machine-readable name, in snake case. */
  public String code() {
    return code;
  }
}
