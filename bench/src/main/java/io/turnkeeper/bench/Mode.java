package io.turnkeeper.bench;

/** How much of a scenario is run. */
enum Mode {
  FULL,
  /** The same ratios with a wider spread, under a minute for each scenario. */
  SHORT,
  /** In miniature: for the gate, which asks only whether a ratio is far off. */
  SMOKE;

  int pick(int full, int small, int smoke) {
    return switch (this) {
      case FULL -> full;
      case SHORT -> small;
      case SMOKE -> smoke;
    };
  }
}
