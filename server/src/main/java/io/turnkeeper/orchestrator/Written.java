package io.turnkeeper.orchestrator;

import io.turnkeeper.queue.Run;
import org.jspecify.annotations.Nullable;

/** What became of a {@link Write}. */
sealed interface Written {
  /**
   * @param next the run that was started, where one was asked for and could be
   */
  record Done(@Nullable Run next) implements Written {}

  /** Somebody else has the conversation now; nothing was written. */
  record LostLease() implements Written {}
}
