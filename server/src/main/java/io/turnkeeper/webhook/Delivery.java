package io.turnkeeper.webhook;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;

/**
 * A run's end that is to be told.
 *
 * @param attempt this one's number, from 1
 */
public record Delivery(RunId run, OrganizationId organization, String url, int attempt) {
  /** Shows no URL: what is in it may be a secret. */
  @Override
  public String toString() {
    return "Delivery[" + run + ", attempt " + attempt + "]";
  }
}
