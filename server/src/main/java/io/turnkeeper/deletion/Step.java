package io.turnkeeper.deletion;

import io.turnkeeper.base.RunId;
import java.util.List;

/** What one step of a deletion came to. */
public sealed interface Step {
  /** A page went, and there is more. */
  record More() implements Step {}

  /** Nothing is left of it in the database. */
  record Removed() implements Step {}

  /** Another replica is at it. */
  record Elsewhere() implements Step {}

  /**
   * Runs have not ended: they come first.
   *
   * @param pending those that have not started, a page of them
   * @param underWay those that nobody has asked to stop yet
   */
  record Live(long conversation, List<RunId> pending, List<RunId> underWay) implements Step {}

  /** A replica keeps it warm, and has to let go of it first. */
  record Held(long conversation) implements Step {}

  /** Not yet: who knows a key of the organization for a while must have forgotten it. */
  record Early() implements Step {}
}
