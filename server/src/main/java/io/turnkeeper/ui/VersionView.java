package io.turnkeeper.ui;

import java.time.Instant;
import java.util.List;

/**
 * A version of an agent, as its page shows it.
 *
 * @param changes against the one before; empty for the first
 */
public record VersionView(int version, Instant at, List<LineDiff.Line> changes) {
  public VersionView {
    changes = List.copyOf(changes);
  }
}
