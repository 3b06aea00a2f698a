package io.turnkeeper.snapshot;

import java.nio.file.Path;
import java.util.List;

public record StateFiles(Path root, List<String> include) {
  public static StateFiles of(Path root, List<String> include) {
    return new StateFiles(root, include);
  }
}
