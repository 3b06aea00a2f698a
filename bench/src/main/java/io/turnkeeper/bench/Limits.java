package io.turnkeeper.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the machine and its PostgreSQL can do at best, by pgbench; where there is none, by the same
 * statements through JDBC.
 */
final class Limits {
  private static final Pattern RATE = Pattern.compile("tps = ([0-9.]+)");
  private static final Duration ENDS_WITHIN = Duration.ofMinutes(3);
  private static final int ROWS = 100;
  private static final int THREADS = 2;

  private final Lab lab;

  Limits(Lab lab) {
    this.lab = lab;
  }

  /** Commits of one inserted row a second. */
  double insertsPerSecond(int clients) {
    try (Database database = withTable()) {
      return rate(database, clients, "INSERT INTO plain (body) VALUES (repeat('x', 250))");
    }
  }

  /** Rows a second, a hundred to a commit. */
  double batchedRowsPerSecond() {
    try (Database database = withTable()) {
      return ROWS
          * rate(
              database,
              4,
              "INSERT INTO plain (body) SELECT repeat('x', 250) FROM generate_series(1, 100)");
    }
  }

  /** Rows a second, taken a hundred at a time by whoever comes. */
  double claimedRowsPerSecond() {
    try (Database database = withTable()) {
      database.execute(
          "INSERT INTO plain (body) SELECT 'x' FROM generate_series(1, 400000)",
          "CREATE INDEX plain_ready ON plain (id) WHERE NOT taken",
          "VACUUM ANALYZE plain",
          "CHECKPOINT");
      return ROWS
          * rate(
              database,
              4,
              "UPDATE plain SET taken = true WHERE id IN (SELECT id FROM plain WHERE NOT taken"
                  + " ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)");
    }
  }

  /** Milliseconds of a round trip that does nothing. */
  double selectMillis() {
    try (Database database = withTable()) {
      return 1_000 / rate(database, 1, "SELECT 1");
    }
  }

  private Database withTable() {
    Database database = lab.postgres().fresh();
    database.execute(
        "CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            + " body text NOT NULL, taken boolean NOT NULL DEFAULT false)");
    return database;
  }

  private double rate(Database database, int clients, String statement) {
    int seconds = lab.mode().pick(5, 3, 1);
    Optional<Path> pgbench = lab.postgres().program("pgbench");
    return pgbench.isPresent()
        ? byPgbench(pgbench.get(), database, clients, statement, seconds)
        : byJdbc(database, clients, statement, seconds);
  }

  private double byPgbench(
      Path pgbench, Database database, int clients, String statement, int seconds) {
    try {
      Path script = Files.createTempFile(lab.scratch(), "limit-", ".sql");
      Files.writeString(script, statement + ";\n");
      String said =
          Programs.run(
              List.of(
                  pgbench.toString(),
                  "-n",
                  "-M",
                  "prepared",
                  "-c",
                  Integer.toString(clients),
                  "-j",
                  Integer.toString(Math.min(clients, THREADS)),
                  "-T",
                  Integer.toString(seconds),
                  "-f",
                  script.toString(),
                  database.url()),
              lab.scratch(),
              Map.of(),
              ENDS_WITHIN);
      Matcher found = RATE.matcher(said);
      if (!found.find()) {
        throw new IllegalStateException("pgbench said no rate: " + said);
      }
      return Double.parseDouble(found.group(1));
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private static double byJdbc(Database database, int clients, String statement, int seconds) {
    AtomicLong done = new AtomicLong();
    long start = System.nanoTime();
    long until = start + Duration.ofSeconds(seconds).toNanos();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < clients; i++) {
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                try (Connection connection = database.connect();
                    PreparedStatement prepared = connection.prepareStatement(statement)) {
                  while (System.nanoTime() < until) {
                    prepared.execute();
                    done.incrementAndGet();
                  }
                } catch (SQLException failed) {
                  throw new IllegalStateException(failed);
                }
              }));
    }
    Threads.join(threads);
    return done.get() * 1e9 / (System.nanoTime() - start);
  }
}
