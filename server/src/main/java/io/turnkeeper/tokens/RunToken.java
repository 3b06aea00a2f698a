package io.turnkeeper.tokens;

import java.time.Instant;

/**
 * A token that was just made.
 *
 * @param text the whole of it, a secret
 */
public record RunToken(String text, Instant expiresAt) {
  /** Keeps the secret out of logs. */
  @Override
  public String toString() {
    return "RunToken[until " + expiresAt + "]";
  }
}
