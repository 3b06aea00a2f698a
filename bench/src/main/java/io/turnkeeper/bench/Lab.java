package io.turnkeeper.bench;

import java.nio.file.Path;

/**
 * What measurements are made with.
 *
 * @param root of the project
 * @param scratch for files that nobody needs afterwards
 * @param peers whether others are measured beside the product
 */
record Lab(
    Path root, Path scratch, Postgres postgres, Mode mode, boolean peers, Progress progress) {

  /** How often each figure is measured. */
  int repeats() {
    return mode.pick(5, 3, 1);
  }

  Path scratch(String name) {
    return scratch.resolve(name + "-" + System.nanoTime());
  }

  Limits limits() {
    return new Limits(this);
  }

  Peers peers(Sheet sheet) {
    return new Peers(this, sheet);
  }
}
