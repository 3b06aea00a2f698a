package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Tree.Stat;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What is known of a conversation's files from the last time that they were saved or restored here:
 * saves the reading of those that nobody has touched since.
 */
record Seen(Manifest manifest, StoredManifest.@Nullable Base base, Map<String, FileSeen> files) {
  Seen on(StoredManifest.@Nullable Base other) {
    return new Seen(manifest, other, files);
  }

  /** Clocks of file systems are coarse: a file may change twice within one of their ticks. */
  private static final long TICK_MILLIS = 2_000;

  /**
   * @param content of the whole file; null for those that are large
   * @param atMillis the wall clock before it was read
   */
  record FileSeen(Stat stat, @Nullable Hash content, long atMillis) {
    boolean untouched(Stat now) {
      return stat.equals(now) && now.latestMillis() < atMillis - TICK_MILLIS;
    }
  }
}
