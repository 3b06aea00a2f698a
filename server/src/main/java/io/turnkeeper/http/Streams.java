package io.turnkeeper.http;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.telemetry.Metrics;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The responses that are open, at most so many, and the way to close them all. */
final class Streams {
  private static final Duration RETRY = Duration.ofSeconds(2);

  private final int max;
  private final Metrics metrics;
  private final Set<LongResponse> open = new HashSet<>();
  private boolean stopping;

  Streams(int max, Metrics metrics) {
    this.max = max;
    this.metrics = metrics;
  }

  synchronized void add(LongResponse response) {
    if (stopping) {
      throw new Refusal.Unavailable("stopping", "the server is stopping; try again", RETRY);
    }
    if (open.size() >= max) {
      throw new Refusal.Unavailable(
          "streams_full", "this replica has " + max + " open streams, the most it may have", RETRY);
    }
    open.add(response);
    metrics.streamOpened();
  }

  synchronized void remove(LongResponse response) {
    if (open.remove(response)) {
      metrics.streamClosed();
    }
  }

  synchronized int size() {
    return open.size();
  }

  /** Closes every stream and lets none in any more. */
  void stop() {
    List<LongResponse> closing;
    synchronized (this) {
      stopping = true;
      closing = List.copyOf(open);
    }
    closing.forEach(response -> response.close(StreamClosed.Reason.STOPPING));
  }
}
