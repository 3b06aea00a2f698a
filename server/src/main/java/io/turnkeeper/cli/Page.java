package io.turnkeeper.cli;

import picocli.CommandLine.Option;

/** Which part of a list. */
final class Page {
  @Option(names = "--limit", paramLabel = "N", description = "At most this many. Default: 20.")
  private int limit = 20;

  @Option(names = "--offset", paramLabel = "N", description = "Skip this many first.")
  private int offset;

  int limit() {
    return limit;
  }

  int offset() {
    return offset;
  }
}
