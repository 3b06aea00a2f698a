package io.turnkeeper.bench;

import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine;

/** What can be measured. */
final class Scenarios {
  static final List<Scenario> ALL =
      List.of(
          new Enqueue(),
          new Drain(),
          new DrainBacklog(),
          new Solo(),
          new Dispatch(),
          new Takeover(),
          new Failover(),
          new Rolling());

  private Scenarios() {}

  /** Those of the names, or all. */
  static List<Scenario> named(List<String> names) {
    return names.isEmpty() ? ALL : names.stream().map(Scenarios::named).toList();
  }

  private static Scenario named(String name) {
    return ALL.stream()
        .filter(it -> it.name().equals(name))
        .findFirst()
        .orElseThrow(() ->
            new CommandLine.ParameterException(
                new CommandLine(new Object()),
                "no scenario "
                    + name
                    + "; there are "
                    + ALL.stream().map(Scenario::name).collect(Collectors.joining(", "))));
  }
}
