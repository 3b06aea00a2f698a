package io.turnkeeper.bench;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What measurements are made with.
 *
 * @param root of the project
 * @param scratch for files that nobody needs afterwards
 * @param peers whether others are measured beside the product
 * @param trials of faults, when somebody asked for so many
 */
record Lab(
    Path root,
    Path scratch,
    Postgres postgres,
    Mode mode,
    boolean peers,
    @Nullable Integer trials,
    Progress progress) {

  /** How often each figure is measured. */
  int repeats() {
    return mode.pick(5, 3, 1);
  }

  /** How many faults. */
  int trials(int unlessAsked) {
    Integer asked = trials;
    return asked == null ? unlessAsked : asked;
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
