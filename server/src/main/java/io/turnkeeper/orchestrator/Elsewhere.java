package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.db.Db;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.tokens.RunTokens;
import java.time.Duration;
import java.util.function.Supplier;

/**
 * Workers from elsewhere, and agents' own tools, as they reach this replica.
 *
 * @param deadline without a word for this long a worker is lost
 * @param cancelGrace for a worker to end by itself what was cancelled
 * @param url where an agent's tools reach this replica; "" when they do not
 */
public record Elsewhere(
    RemoteWork work,
    RunTokens tokens,
    Duration deadline,
    Duration cancelGrace,
    Supplier<String> url) {

  private static final Duration DEADLINE = Duration.ofSeconds(30);
  private static final Duration CANCEL_GRACE = Duration.ofSeconds(5);
  private static final RunTokens.Limits TOKENS =
      new RunTokens.Limits(Duration.ofMinutes(15), Duration.ofDays(1));

  /** The defaults, for a replica that has no address. */
  static Elsewhere defaults(Db db, Clock clock) {
    return new Elsewhere(
        new RemoteWork(), new RunTokens(db, TOKENS, clock), DEADLINE, CANCEL_GRACE, () -> "");
  }
}
