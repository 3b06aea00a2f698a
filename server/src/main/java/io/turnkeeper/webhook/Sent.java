package io.turnkeeper.webhook;

/**
 * What came of an attempt.
 *
 * @param accepted whether the receiver answered with a status of success
 * @param forGood whether there is no sense in another attempt
 * @param answer in words
 */
public record Sent(boolean accepted, boolean forGood, String answer) {
  static Sent failed(String answer) {
    return new Sent(false, false, answer);
  }
}
