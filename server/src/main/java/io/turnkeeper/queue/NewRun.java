package io.turnkeeper.queue;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.RunId;
import java.time.Duration;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A run to be queued.
 *
 * @param priority higher first, between conversations; within one, order of acceptance is binding
 * @param delay from the database's now
 * @param expiry from the database's now; a run that has not started by then ends as {@code timeout}
 * @param maxAttempts at least 1
 * @param onlyWhenIdle refuse it when a run of the conversation is queued or running
 */
public record NewRun(
    RunId id,
    Conversation conversation,
    ObjectNode input,
    ObjectNode options,
    ObjectNode metadata,
    int priority,
    Duration delay,
    @Nullable Duration expiry,
    int maxAttempts,
    boolean onlyWhenIdle,
    @Nullable Idempotency idempotency) {

  /**
   * @param key unique in the organization
   * @param fingerprint of the request, so that a key used for another request is noticed
   */
  public record Idempotency(String key, byte[] fingerprint) {
    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Idempotency that
          && key.equals(that.key)
          && Arrays.equals(fingerprint, that.fingerprint);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }
  }
}
