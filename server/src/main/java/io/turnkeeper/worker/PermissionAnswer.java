package io.turnkeeper.worker;

/** An answer to a {@link PermissionRequest}; {@code by} says whose, for the log. */
public sealed interface PermissionAnswer {
  String by();

  record Selected(String optionId, String by) implements PermissionAnswer {}

  /** No answer will come: the agent is told that the question was cancelled. */
  record Cancelled(String by) implements PermissionAnswer {}
}
