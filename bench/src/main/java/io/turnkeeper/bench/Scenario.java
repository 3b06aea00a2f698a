package io.turnkeeper.bench;

/** One claim about speed, and the load that puts it to the test. */
interface Scenario {
  /** As it is called on the command line. */
  String name();

  /** The claim, in one line. */
  String claim();

  /** Measures, as often as the mode says, and notes every value. */
  void run(Lab lab, Sheet sheet) throws Exception;
}
