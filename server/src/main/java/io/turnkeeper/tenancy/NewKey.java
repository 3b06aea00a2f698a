package io.turnkeeper.tenancy;

/**
 * A key that was just made.
 *
 * @param text the whole key, the only time that it is known
 */
public record NewKey(ApiKey key, String text) {
  /** Keeps the secret out of logs. */
  @Override
  public String toString() {
    return "NewKey[" + key + "]";
  }
}
