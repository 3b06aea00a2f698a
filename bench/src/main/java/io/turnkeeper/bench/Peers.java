package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Others that keep work in PostgreSQL, each tuned as well as its own documents say, measured on the
 * same server in the same run. Their harnesses are programs of their own in {@code bench/peers}.
 */
final class Peers {
  private static final Duration INSTALLED_WITHIN = Duration.ofMinutes(5);
  private static final Duration ENDS_WITHIN = Duration.ofMinutes(2);
  private static final String DATABASE = "peers";
  private static final String SECONDS_MAX = "25";

  private final Lab lab;
  private final Sheet sheet;

  Peers(Lab lab, Sheet sheet) {
    this.lab = lab;
    this.sheet = sheet;
  }

  private boolean wanted() {
    return lab.peers() && lab.postgres().isInstalled();
  }

  void enqueue(int callers, int calls) {
    String count = Integer.toString(Math.min(calls, 6_000));
    String at = Integer.toString(callers);
    String name = ", " + callers + (callers == 1 ? " caller" : " callers");
    note("graphile-worker" + name, node("graphile.mjs", "enqueue", at, count, "1"));
    note("pg-boss" + name, node("pgboss.mjs", "enqueue", at, count, "1"));
    note("db-scheduler" + name, java("DbScheduler", "enqueue", at, count, "1"));
    note("JobRunr" + name, java("JobRunrBench", "enqueue", at, count, "1"));
    note("DBOS" + name, java("DbosBench", "enqueue", at, count, "1"));
  }

  void drain(int runs) {
    String jobs = Integer.toString(runs);
    note(
        "graphile-worker tuned, in order",
        node("graphile.mjs", "drain", "1000", jobs, SECONDS_MAX, "1", "tuned"));
    note("pg-boss, in order", node("pgboss.mjs", "drain", "fifo", jobs, SECONDS_MAX, "1", "tuned"));
    note(
        "pg-boss, unordered groups",
        node("pgboss.mjs", "drain", "group", jobs, SECONDS_MAX, "1", "tuned"));
    note(
        "db-scheduler chained, in order",
        java("DbScheduler", "drain", "chain", jobs, SECONDS_MAX, "1", "tuned"));
  }

  void latency(int perSecond, int seconds) {
    String rate = Integer.toString(perSecond);
    String during = Integer.toString(seconds);
    String name = ", " + perSecond + "/s";
    times("graphile-worker" + name, node("graphile.mjs", "latency", "300", rate, during, "1"));
    times("pg-boss" + name, node("pgboss.mjs", "latency", "fifo", rate, during, "1", "tuned"));
    times("db-scheduler" + name, java("DbScheduler", "latency", rate, during, "1", "tuned"));
    times("DBOS" + name, java("DbosBench", "latency", "keys", rate, during, "1", "tuned"));
    times(
        "db-scheduler immediate" + name,
        java("DbScheduler", "latency", rate, during, "1", "immediate"));
  }

  void idle(int seconds) {
    String during = Integer.toString(seconds);
    cost("graphile-worker", node("graphile.mjs", "idle", during, "1"));
    cost("pg-boss", node("pgboss.mjs", "idle", during, "1", "tuned"));
    cost("db-scheduler", java("DbScheduler", "idle", during, "1", "tuned"));
    cost("DBOS", java("DbosBench", "idle", during, "1", "tuned"));
  }

  /** The name of the peers' series with the highest median whose name ends so. */
  Optional<String> best(String scenario, String suffix) {
    return of(scenario, suffix)
        .max(Comparator.comparing(Sheet.Series::median))
        .map(Sheet.Series::name);
  }

  /** The one with the lowest; immediate execution works within one process only. */
  Optional<String> lowest(String scenario, String suffix) {
    return of(scenario, suffix)
        .filter(it -> !it.name().contains("immediate"))
        .min(Comparator.comparing(Sheet.Series::median))
        .map(Sheet.Series::name);
  }

  private Stream<Sheet.Series> of(String scenario, String suffix) {
    return sheet.series().stream()
        .filter(it -> sheet.scenario().equals(scenario) || scenario.equals("latency"))
        .filter(it -> it.name().endsWith(suffix) && !it.name().startsWith("Turnkeeper"));
  }

  private void note(String name, List<JsonNode> lines) {
    for (JsonNode line : lines) {
      sheet.add(name, "/s", line.path("rate").asDouble());
      JsonNode broken = line.path("out_of_order");
      if (broken.asInt(0) > 0) {
        sheet.note(name + ": " + broken.asInt() + " out of order");
      }
    }
  }

  private void times(String name, List<JsonNode> lines) {
    for (JsonNode line : lines) {
      sheet.add(name + ", p50", "ms", line.at("/dispatch_ms/p50").asDouble());
      sheet.add(name + ", p99", "ms", line.at("/dispatch_ms/p99").asDouble());
    }
  }

  private void cost(String name, List<JsonNode> lines) {
    for (JsonNode line : lines) {
      sheet.add(name + ", transactions", "/s", line.path("xacts_per_s").asDouble());
      sheet.add(
          name + ", processor",
          "% of a core",
          line.path("app_cpu_pct").asDouble() + line.path("pg_cpu_pct").asDouble());
    }
  }

  private List<JsonNode> node(String harness, String... arguments) {
    if (!wanted()) {
      return List.of();
    }
    Path directory = installed("npm", List.of("npm", "ci", "--no-audit", "--no-fund"));
    List<String> words = new ArrayList<>();
    words.add(directory.resolve("node_modules/.bin/node").toString());
    words.add(harness);
    words.addAll(List.of(arguments));
    return measure(directory, words);
  }

  private List<JsonNode> java(String harness, String... arguments) {
    if (!wanted()) {
      return List.of();
    }
    Path directory =
        installed(
            "java",
            List.of(
                "mvn",
                "-q",
                "-B",
                "-ntp",
                "compile",
                "dependency:build-classpath",
                "-Dmdep.outputFile=cp.txt"));
    try {
      List<String> words =
          new ArrayList<>(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx1g",
                  "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                  "-cp",
                  "target/classes:" + Files.readString(directory.resolve("cp.txt")).strip(),
                  "bench." + harness));
      words.addAll(List.of(arguments));
      return measure(directory, words);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private List<JsonNode> measure(Path directory, List<String> words) {
    lab.progress().say("peer: " + String.join(" ", words.subList(words.size() - 4, words.size())));
    Path results = lab.scratch("peer");
    Postgres server = lab.postgres();
    try {
      Programs.run(
          words,
          directory,
          Map.of(
              "BENCH_URL",
              server.url(DATABASE),
              "BENCH_PG",
              "127.0.0.1:" + server.port(),
              "BENCH_DB",
              DATABASE,
              "BENCH_PIDFILE",
              server.pidFile().toString(),
              "RAW",
              results.toString()),
          ENDS_WITHIN);
      return Files.readAllLines(results).stream().map(Json::parse).toList();
    } catch (IllegalStateException failed) {
      // A peer that cannot be measured here is left out, and said to be.
      sheet.note("not measured: " + firstLine(String.valueOf(failed.getMessage())));
      return List.of();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse("");
  }

  /** The harness in the build's own directory, with its packages. */
  private Path installed(String kind, List<String> install) {
    Path from = lab.root().resolve("bench/peers").resolve(kind);
    Path to = lab.root().resolve("bench/target/peers").resolve(kind);
    Path ready = to.resolve(".ready");
    if (Files.exists(ready)) {
      return to;
    }
    lab.progress().say("installing the peers: " + kind);
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path copy = to.resolve(from.relativize(file).toString());
        Files.createDirectories(copy.resolveSibling("."));
        Files.write(copy, Files.readAllBytes(file));
      }
      Programs.run(
          install, to, Map.of("JAVA_HOME", System.getProperty("java.home")), INSTALLED_WITHIN);
      Files.createFile(ready);
      return to;
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }
}
