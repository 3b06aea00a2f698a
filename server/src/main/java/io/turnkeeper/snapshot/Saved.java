package io.turnkeeper.snapshot;

import java.util.List;

/** What came of saving an agent's files. */
public sealed interface Saved {
  /**
   * They are stored.
   *
   * @param bytes of all files, before compression
   * @param addedBytes what this snapshot added: its new chunks and its manifest, compressed
   * @param cutShort the files, by their paths under the root, whose last line was not whole and was
   *     left out
   */
  record Stored(int files, long bytes, long addedBytes, List<String> cutShort) implements Saved {
    public Stored {
      cutShort = List.copyOf(cutShort);
    }
  }

  /** They are larger than a snapshot may be; nothing was stored. */
  record TooLarge(long bytes, long max) implements Saved {}

  /** The lease is no longer good; nothing can be restored from what this wrote. */
  record Stale() implements Saved {}

  /** The run has a snapshot already; that one stands. */
  record Exists() implements Saved {}

  /** Not stored, for a reason that people can read. The previous snapshot stands. */
  record Refused(String why) implements Saved {}
}
