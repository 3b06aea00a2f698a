package io.turnkeeper.orchestrator;

import io.turnkeeper.base.RunId;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** A worker from elsewhere that is connected here, until it is closed. Belongs to one thread. */
public sealed interface WorkerLink extends AutoCloseable permits RemoteDesk.Connection {
  /** Gives the worker what there is for it and what it has room for. */
  List<Assignment> take();

  /** Runs of this worker about which it should ask, by a heartbeat. */
  List<RunId> news();

  /** Waits until there may be something, at most so long. */
  void await(Duration atMost) throws InterruptedException;

  /** Has {@link #await} return. May be called by any thread. */
  void wake();

  /** Why the link is to be closed; empty while it is good. */
  Optional<Over> over();

  /** Why a worker is no longer connected here. */
  enum Over {
    /** Another connection has its name by now, or its key was revoked. */
    REPLACED,
    /** A run was lost with it. It may connect again. */
    DROPPED
  }

  @Override
  void close();
}
