package io.turnkeeper.snapshot;

import org.jspecify.annotations.Nullable;

/**
 * What a snapshot holds at one path.
 *
 * @param path relative to the root, with slashes
 * @param mode permission bits; 0 of a link
 * @param target of a link; null for all else
 * @param modified milliseconds since 1970; 0 when that is not kept
 * @param bytes of a file's content
 */
public record SavedFile(
    String path, Kind kind, int mode, @Nullable String target, long modified, long bytes) {
  public enum Kind {
    FILE,
    DIRECTORY,
    LINK
  }
}
