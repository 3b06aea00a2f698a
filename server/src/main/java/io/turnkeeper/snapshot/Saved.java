package io.turnkeeper.snapshot;

public sealed interface Saved {
  record Stored(int files, long bytes, long addedBytes) implements Saved {}

  record TooLarge(long bytes, long max) implements Saved {}

  record Stale() implements Saved {}

  record Refused(String why) implements Saved {}
}
