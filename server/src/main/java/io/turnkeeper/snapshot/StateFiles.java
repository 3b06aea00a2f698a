package io.turnkeeper.snapshot;

import java.nio.file.Path;
import java.util.List;

/**
 * Where an agent's files are and which of them are kept.
 *
 * @param root the directory that is saved and restored; HOME is {@code home} in it
 * @param include globs relative to HOME; a name of a directory takes all that is in it. Empty: all
 *     files under the root, less caches
 */
public record StateFiles(Path root, List<String> include) {
  public StateFiles {
    include = List.copyOf(include);
  }

  public static StateFiles of(Path root, List<String> include) {
    return new StateFiles(root, include);
  }
}
