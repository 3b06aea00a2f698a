package io.turnkeeper.queue;

import java.util.Locale;

/** Where a run is in its life. */
public enum RunStatus {
  PENDING,
  RUNNING,
  /** A person is asked; the worker waits with the prompt open. */
  WAITING,
  COMPLETED,
  FAILED,
  CANCELLED,
  TIMEOUT;

  public boolean terminal() {
    return switch (this) {
      case PENDING, RUNNING, WAITING -> false;
      case COMPLETED, FAILED, CANCELLED, TIMEOUT -> true;
    };
  }

  /** As the database and the APIs write it. */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  static RunStatus of(String word) {
    return valueOf(word.toUpperCase(Locale.ROOT));
  }
}
