package io.turnkeeper.queue;

import io.turnkeeper.base.RunId;
import java.util.OptionalInt;

/** What became of a {@link NewRun}. */
public sealed interface Enqueued {
  /**
   * @param holder the replica that holds the conversation's lease and must be told, if one does
   * @param ready whether the conversation can be claimed at once
   */
  record Accepted(RunId run, long turn, OptionalInt holder, boolean ready) implements Enqueued {}

  /** The idempotency key was used for the same request before. */
  record Replayed(RunId run) implements Enqueued {}

  /** The idempotency key was used for another request. */
  record KeyReused() implements Enqueued {}

  /** The conversation is busy and the run was to be refused then. */
  record Busy() implements Enqueued {}
}
