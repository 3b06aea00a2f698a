package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.queue.Run;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The token of the run under way, for its agent's own tools. An agent's process outlives a run, and
 * a run may outlive a token, so it is in a file beside the agent's HOME that is written anew for
 * each run and well before it expires, and gone when no run is under way.
 */
final class RunPass {
  private static final Logger log = LoggerFactory.getLogger(RunPass.class);

  private final Passes passes;
  private final LeaseToken lease;
  private final ConversationFiles files;
  private final Clock clock;
  private @Nullable Run run;
  private long signedNanos;

  RunPass(Tools tools, LeaseToken lease, ConversationFiles files) {
    this.passes = tools.passes();
    this.lease = lease;
    this.files = files;
    this.clock = tools.clock();
  }

  /** A run begins; its token. */
  synchronized String begin(Run begun) {
    run = begun;
    return write(begun);
  }

  /** Looks whether it is time for a newer one. */
  synchronized void renew(long nanos) {
    Run now = run;
    if (now == null || nanos - signedNanos < passes.renewNanos()) {
      return;
    }
    try {
      String unused = write(now);
    } catch (Refusal.Unavailable | java.io.UncheckedIOException notNow) {
      log.debug("the run token of {} is renewed later", now.id(), notNow);
    }
  }

  synchronized void end() {
    if (run != null) {
      run = null;
      files.removeToken();
    }
  }

  private String write(Run of) {
    String token = passes.sign(lease, of).text();
    files.writeToken(token);
    signedNanos = clock.nanos();
    return token;
  }
}
