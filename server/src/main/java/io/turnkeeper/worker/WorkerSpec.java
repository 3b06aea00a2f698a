package io.turnkeeper.worker;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * How to run one conversation's agent.
 *
 * @param command program and arguments; a program without a slash is looked up on the child's PATH
 * @param env what the definition names; the child gets this, HOME, PATH, LANG, TERM and TMPDIR, and
 *     nothing of the server's. Its values never appear in logs or errors
 * @param home the conversation's HOME, created when missing
 * @param workDir the working directory, created when missing; must be the same path on every
 *     replica for agents that file their sessions by it
 * @param startTimeout how long the agent may take until its session is ready
 */
public record WorkerSpec(
    Kind kind,
    List<String> command,
    Map<String, String> env,
    Path home,
    Path workDir,
    Permissions permissions,
    Duration startTimeout) {

  public WorkerSpec {
    if (command.isEmpty() || command.getFirst().isBlank()) {
      throw new IllegalArgumentException("an agent needs a command");
    }
    command = List.copyOf(command);
    env = Map.copyOf(env);
    home = home.toAbsolutePath();
    workDir = workDir.toAbsolutePath();
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
