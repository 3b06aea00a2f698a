package io.turnkeeper.bench;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.turnkeeper.base.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures how fast the product is, beside its peers and the machine's limits. */
@Command(
    name = "bench/run",
    mixinStandardHelpOptions = true,
    description = "Measures how fast the product is, beside its peers and the machine's limits.")
public final class Main implements Callable<Integer> {
  @Parameters(arity = "0..*", description = "which scenarios; none means all")
  private List<String> scenarios = new ArrayList<>();

  @Option(names = "--peers", description = "measure the peers in the same run")
  private boolean peers;

  @Option(names = "--short", description = "under a minute for each scenario; a wider spread")
  private boolean small;

  @Option(names = "--trials", paramLabel = "N", description = "how many faults, where they are")
  private @Nullable Integer trials;

  @Option(names = "--smoke", description = "in miniature; fails when a ratio is far off")
  private boolean smoke;

  @Option(names = "--json", paramLabel = "FILE", description = "write the results to this file")
  private @Nullable Path json;

  @Option(
      names = "--charts",
      paramLabel = "DIR",
      description = "write SVG charts into this directory")
  private @Nullable Path charts;

  @Option(names = "--list", description = "list the scenarios")
  private boolean list;

  private Main() {}

  public static void main(String[] arguments) {
    System.exit(new CommandLine(new Main()).execute(arguments));
  }

  @Override
  public Integer call() throws Exception {
    quiet();
    if (list) {
      Scenarios.ALL.forEach(it -> System.out.printf("%-16s %s%n", it.name(), it.claim()));
      return 0;
    }
    Mode mode = smoke ? Mode.SMOKE : small ? Mode.SHORT : Mode.FULL;
    Path root = Path.of(System.getProperty("turnkeeper.root", ".")).toAbsolutePath().normalize();
    Path scratch = Files.createTempDirectory("turnkeeper-bench-");
    Thread cleaner = new Thread(() -> Programs.removeTree(scratch));
    Postgres server = Postgres.start(scratch);
    Thread stopper = new Thread(server::close);
    Runtime.getRuntime().addShutdownHook(stopper);
    try (server) {
      Lab lab = new Lab(root, scratch, server, mode, peers, trials, new Progress());
      return measure(lab, Scenarios.named(scenarios));
    } finally {
      Runtime.getRuntime().removeShutdownHook(stopper);
      cleaner.start();
      cleaner.join();
    }
  }

  private int measure(Lab lab, List<Scenario> chosen) throws IOException {
    List<Sheet> sheets = new ArrayList<>();
    boolean sound = true;
    for (Scenario scenario : chosen) {
      Sheet sheet = new Sheet(scenario.name());
      sheets.add(sheet);
      try {
        scenario.run(lab, sheet);
      } catch (Exception failed) {
        sound = false;
        sheet.note("failed: " + failed);
        failed.printStackTrace();
      }
      Report.print(System.out, scenario, sheet);
      sound &= sheet.farOff().isEmpty();
      write(lab, sheets);
    }
    return sound ? 0 : 1;
  }

  /** After each scenario: who stops in the middle keeps what there is. */
  private void write(Lab lab, List<Sheet> sheets) throws IOException {
    if (json != null) {
      Files.writeString(
          json,
          Json.MAPPER
                  .writerWithDefaultPrettyPrinter()
                  .writeValueAsString(
                      Report.json(Machine.facts(lab.postgres()), lab.mode(), sheets))
              + "\n");
    }
    if (charts != null) {
      Charts.write(charts, sheets.getLast());
    }
  }

  /** What the product would log on its console goes only as far as it warns. */
  static void quiet() {
    Map.of("ROOT", Level.ERROR, "io.turnkeeper", Level.ERROR)
        .forEach((name, level) -> {
          if (LoggerFactory.getLogger(name) instanceof Logger logger) {
            logger.setLevel(level);
          }
        });
  }
}
