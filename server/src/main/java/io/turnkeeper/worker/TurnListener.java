package io.turnkeeper.worker;

import tools.jackson.databind.node.ObjectNode;

/** What happens during a turn, in the agent's order. May block: that holds the agent back. */
public interface TurnListener {
  /** The raw {@code update} object of a session/update, unknown kinds included. */
  void update(ObjectNode update);

  /** The agent asks; under ALLOW and DENY {@link #permissionResolved} follows at once. */
  void permissionRequested(PermissionRequest request);

  /** A question was answered, by a person, by policy, or by the cancel of its turn. */
  void permissionResolved(PermissionResolved resolved);

  /** The agent showed a sign of work: for the progress clock. Called before the others too. */
  void progress();

  /** An update that came after the end of the turn; the turn's outcome stands. */
  void late(ObjectNode update);
}
