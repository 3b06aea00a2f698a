package io.turnkeeper.orchestrator;

import java.time.Duration;

/** What the orchestrator counts. The server gives it to the metrics registry. */
public interface Meters {
  /**
   * @param status the terminal status in lower case
   */
  void runEnded(String status, Duration sinceStart);

  /**
   * @param mode none, warm, load, resume or replay
   */
  void restored(String mode);

  void events(int written);

  /**
   * @param addedBytes stored anew
   */
  void snapshot(long addedBytes);
}
