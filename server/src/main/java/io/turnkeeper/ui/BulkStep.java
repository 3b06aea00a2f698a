package io.turnkeeper.ui;

/**
 * How far it is with many runs.
 *
 * @param total as counted before it began
 * @param missed those that had ended, or gone, meanwhile
 * @param cursor goes on from here
 */
public record BulkStep(
    boolean cancels,
    ListAsked asked,
    long total,
    long done,
    long missed,
    String cursor,
    boolean over) {

  public String word() {
    return cancels ? "cancel" : "retry";
  }
}
