package io.turnkeeper.bench;

import java.time.Duration;

/** Says on the error output what is being measured, so that nobody wonders. */
final class Progress {
  private final long startedNanos = System.nanoTime();

  void say(String text) {
    long seconds = Duration.ofNanos(System.nanoTime() - startedNanos).toSeconds();
    System.err.printf("%3d:%02d  %s%n", seconds / 60, seconds % 60, text);
  }
}
