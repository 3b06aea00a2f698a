package io.turnkeeper.agents;

import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/**
 * How to run an agent: one immutable version.
 *
 * @param command the program and its arguments; no shell reads them. Empty for one that connects
 *     from elsewhere
 * @param env variables for the program; their values are secrets, and are never shown
 * @param state globs of the files in its HOME to keep; empty is all but caches
 * @param attemptsMax how often a run may be started, 1 to 100
 * @param reach what of its machine it may reach
 */
public record AgentDefinition(
    Kind kind,
    List<String> command,
    Map<String, String> env,
    List<String> state,
    Timeouts timeouts,
    OnWorkerLoss onWorkerLoss,
    Permissions permissions,
    int attemptsMax,
    Reach reach) {

  public AgentDefinition {
    command = List.copyOf(command);
    env = Map.copyOf(env);
    state = List.copyOf(state);
  }

  /** What speaks on the program's pipes. */
  public enum Kind {
    /** The Agent Client Protocol. */
    ACP,
    /** One process per run: input on stdin, answer on stdout. */
    COMMAND,
    /** A program elsewhere that connects by itself; there is nothing to start here. */
    REMOTE
  }

  /** What becomes of a run whose worker was lost. */
  public enum OnWorkerLoss {
    /** It fails; it is started again only if it had produced nothing. */
    FAIL,
    /** It starts again from the last snapshot. */
    RETRY,
    /** As retry, and the agent is told that it was interrupted. */
    RESUME
  }

  /** Who answers when the agent asks whether it may do something. */
  public enum Permissions {
    ALLOW,
    DENY,
    /** A person, within the permission timeout. */
    ASK
  }

  /** Whether its processes may use the machine's network. */
  public enum Network {
    HOST,
    NONE
  }

  /**
   * What of its machine it may reach: never more than the installation allows.
   *
   * @param memoryMax bytes of all its processes; 0: what the installation allows
   */
  public record Reach(Network network, long memoryMax) {
    public static final Reach DEFAULT = new Reach(Network.HOST, 0);
  }

  /**
   * The deadlines of its runs and its worker.
   *
   * @param idle how long a worker is kept without a run
   * @param run how long a run may take, from its start; waiting in the queue does not count
   * @param progress how long a run may go without any sign of progress
   * @param start how long the worker may take to be ready
   * @param permission how long a person may take to answer
   */
  public record Timeouts(
      Duration idle, Duration run, Duration progress, Duration start, Duration permission) {

    /**
     * Five minutes idle: a restored worker costs seconds, a kept one hundreds of megabytes, and
     * most replies come sooner.
     */
    public static final Timeouts DEFAULT =
        new Timeouts(
            Duration.ofMinutes(5),
            Duration.ofHours(1),
            Duration.ofMinutes(10),
            Duration.ofSeconds(60),
            Duration.ofHours(1));
  }

  /** The definition as its owner may see it: values of variables are {@code ***}. */
  public ObjectNode shown() {
    return DefinitionJson.write(this, _ -> DefinitionJson.HIDDEN);
  }

  /** Whether all values could be read: those sealed with a key that is gone cannot. */
  public boolean readable() {
    return !env.containsValue(DefinitionJson.UNREADABLE);
  }

  /** Keeps the variables' values out of logs. */
  @Override
  public String toString() {
    return "AgentDefinition["
        + kind.name().toLowerCase(Locale.ROOT)
        + (command.isEmpty() ? "" : " " + command.getFirst())
        + "]";
  }
}
