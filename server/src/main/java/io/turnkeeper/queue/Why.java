package io.turnkeeper.queue;

import io.turnkeeper.base.RunId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Why a run is where it is. */
public sealed interface Why {
  /** It ended. */
  record Ended(RunStatus status, @Nullable Instant at) implements Why {}

  /** It is running, or waits for a person. */
  record Running(RunStatus status, int replica, String address, @Nullable Instant since)
      implements Why {}

  /** An earlier run of its conversation comes first. */
  record BehindRun(RunId run, RunStatus status, long runsAhead) implements Why {}

  /** Somebody paused the conversation, its agent or its organization. */
  record Paused(String what, String by, @Nullable Instant since) implements Why {}

  /** So many runs of its agent or organization run as may. */
  record Capped(String what, int running, int max) implements Why {}

  /** Its agent's workers connect from elsewhere, and none is connected. */
  record NoWorker() implements Why {}

  /** It is not to start yet. */
  record Delayed(Instant until, boolean backingOff) implements Why {}

  /** The holder of its conversation has not started it yet. */
  record Held(int replica, String address, Instant since) implements Why {}

  /** It can start; nobody has a free slot. */
  record WaitingForSlot(Instant since, long readyAhead) implements Why {}
}
