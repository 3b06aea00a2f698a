package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.queue.Run;
import io.turnkeeper.tokens.RunScope;
import io.turnkeeper.tokens.RunToken;
import io.turnkeeper.tokens.RunTokens;
import java.util.Map;
import java.util.function.Supplier;

/** What the tools of this replica's own agents may act with: a token for each run. */
final class Passes {
  private static final String FILE = "TURNKEEPER_RUN_TOKEN_FILE";
  private static final String URL = "TURNKEEPER_URL";

  private final RunTokens tokens;
  private final Supplier<String> url;

  Passes(RunTokens tokens, Supplier<String> url) {
    this.tokens = tokens;
    this.url = url;
  }

  RunToken sign(LeaseToken lease, Run run) {
    return tokens.sign(scope(run, lease.epoch()));
  }

  static RunScope scope(Run run, long epoch) {
    return new RunScope(
        run.organization(), run.agent(), run.conversation().id(), run.id(), epoch, run.attempt());
  }

  /** Half of the life of a token: then there is a newer one. */
  long renewNanos() {
    return tokens.life().toNanos() / 2;
  }

  /** What the agent's process is told; the same for all of its runs. */
  Map<String, String> environment(ConversationFiles files) {
    String here = url.get();
    return here.isEmpty()
        ? Map.of()
        : Map.of(URL, here, FILE, files.tokenFile().toAbsolutePath().toString());
  }
}
