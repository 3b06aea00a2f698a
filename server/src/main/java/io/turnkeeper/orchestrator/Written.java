package io.turnkeeper.orchestrator;

import org.jspecify.annotations.Nullable;

/** What became of a {@link Write}. */
sealed interface Written {
  /**
   * @param next the run that was started, where one was asked for and could be
   * @param blocked one was asked for and is there, but may not start now
   */
  record Done(@Nullable Begun next, boolean blocked) implements Written {
    static final Done PLAIN = new Done(null, false);
  }

  /**
   * The lease is good, but the run is not as the writer took it to be; nothing was written. After a
   * write whose outcome was unknown this says that it was done.
   */
  record Superseded() implements Written {}

  /** Somebody else has the conversation now; nothing was written. */
  record LostLease() implements Written {}
}
