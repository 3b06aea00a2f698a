package io.turnkeeper.worker;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How to run one conversation's agent.
 *
 * @param command program and arguments; a program without a slash is looked up on the child's PATH
 * @param env what the definition names; the child gets this, HOME, PATH, LANG, TERM and TMPDIR, and
 *     nothing of the server's. Its values never appear in logs or errors
 * @param home the conversation's HOME, created when missing
 * @param workDir the working directory, created when missing. In a sandbox both are seen at the
 *     same path on every replica; without one they must be, for agents that file their sessions so
 * @param startTimeout how long the agent may take until its session is ready
 * @param reach what it may reach; never more than the replica's walls allow
 */
public record WorkerSpec(
    Kind kind,
    List<String> command,
    Map<String, String> env,
    Path home,
    Path workDir,
    Permissions permissions,
    Duration startTimeout,
    Reach reach) {

  /** One that may reach what the replica's walls allow. */
  public WorkerSpec(
      Kind kind,
      List<String> command,
      Map<String, String> env,
      Path home,
      Path workDir,
      Permissions permissions,
      Duration startTimeout) {
    this(kind, command, env, home, workDir, permissions, startTimeout, Reach.OPEN);
  }

  public WorkerSpec {
    if (command.isEmpty() || command.getFirst().isBlank()) {
      throw new IllegalArgumentException("an agent needs a command");
    }
    command = List.copyOf(command);
    env = Map.copyOf(env);
    home = home.toAbsolutePath();
    workDir = workDir.toAbsolutePath();
  }

  /**
   * What of its machine a worker may reach.
   *
   * @param number of its conversation on this installation: who has a number has its user id
   * @param readable a directory besides HOME that it may read at the path that it has; null: none
   * @param network false: nothing but itself, and it is not started where that cannot be had
   * @param memoryMax bytes; 0: what the replica's walls allow
   */
  public record Reach(long number, @Nullable Path readable, boolean network, long memoryMax) {
    public static final Reach OPEN = new Reach(0, null, true, 0);
  }

  /** What speaks on the pipes. */
  public enum Kind {
    /** The Agent Client Protocol, version 1: one long-lived process. */
    ACP,
    /** One process per run: input on stdin, answer on stdout. */
    COMMAND
  }

  /** Who answers when the agent asks whether it may do something. */
  public enum Permissions {
    /** Always yes, once where the agent offers that. */
    ALLOW,
    /** Always no, once where the agent offers that. */
    DENY,
    /** A person: see {@link Worker#answer}. */
    ASK
  }
}
