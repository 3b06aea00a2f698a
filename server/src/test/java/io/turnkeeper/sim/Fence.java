package io.turnkeeper.sim;

import java.util.ArrayList;
import java.util.List;

/**
 * The SQL as it is, or with one guard taken out: what the simulator must notice. A switch of the
 * tests, outside of what ships.
 */
final class Fence {
  private static final class Rule {
    final String marker;
    final String from;
    final String to;
    long hits;

    Rule(String marker, String from, String to) {
      this.marker = marker;
      this.from = from;
      this.to = to;
    }
  }

  private final String name;
  private final List<Rule> rules = new ArrayList<>();
  private long hits;

  private Fence(String name) {
    this.name = name;
  }

  /** Nothing is taken out. */
  static Fence intact() {
    return new Fence("intact");
  }

  static Fence without(String name) {
    return new Fence(name);
  }

  /** In statements that contain the marker, every one of these words goes. */
  Fence where(String marker, String from, String to) {
    rules.add(new Rule(marker, from, to));
    return this;
  }

  String rewrite(String sql) {
    String text = sql;
    for (Rule rule : rules) {
      if (text.contains(rule.marker) && text.contains(rule.from)) {
        text = text.replace(rule.from, rule.to);
        rule.hits++;
        hits++;
      }
    }
    return text;
  }

  /** How many statements were changed. */
  long hits() {
    return hits;
  }

  /** Whether it changes no SQL. */
  boolean intactSql() {
    return rules.isEmpty();
  }

  /** What was to go and was never met. */
  List<String> unused() {
    return rules.stream().filter(rule -> rule.hits == 0).map(rule -> rule.from).toList();
  }

  @Override
  public String toString() {
    return name;
  }
}
