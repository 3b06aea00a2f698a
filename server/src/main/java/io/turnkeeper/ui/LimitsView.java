package io.turnkeeper.ui;

import io.turnkeeper.tenancy.Usage;
import org.jspecify.annotations.Nullable;

/**
 * What a tenant uses of its limits.
 *
 * @param maxRunning runs at once; null is no cap
 */
public record LimitsView(@Nullable Integer maxRunning, long running, Usage usage) {
  public String runningText() {
    return text(maxRunning);
  }

  public String requestsText() {
    return text(usage.limits().requestsPerSecond());
  }

  public String streamsText() {
    return text(usage.limits().streams());
  }

  public String queuedText() {
    return text(usage.limits().queued());
  }

  public String storedText() {
    return text(usage.limits().storedBytes());
  }

  private static String text(@Nullable Number max) {
    return max == null ? "" : max.toString();
  }
}
