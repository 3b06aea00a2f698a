package io.turnkeeper.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The built jar as the launcher starts it, but with little memory: there are several of them. */
final class Program {
  private Program() {}

  /**
   * The command up to the subcommand. Starts read their classes from a cache, as the launcher's do,
   * which is made by a start and a stop where it is not there.
   */
  static List<String> up(Lab lab) {
    Path cache = lab.scratch().resolve("classes.aot");
    if (lab.mode() != Mode.SMOKE && !Files.exists(cache)) {
      lab.progress().say("one start, to keep its classes");
      Path data = lab.scratch("learn");
      try (Database database = lab.postgres().fresh();
          Replica one = new Replica(java(lab, "-XX:AOTCacheOutput=" + cache), data, database.url())) {
        one.startFirst();
      }
    }
    return Files.exists(cache)
        ? java(lab, "-XX:AOTCache=" + cache, "-Xlog:disable", "-Xlog:all=error:stderr")
        : java(lab);
  }

  private static List<String> java(Lab lab, String... more) {
    Path jar = lab.root().resolve("server/target/turnkeeper.jar");
    if (!Files.exists(jar)) {
      throw new IllegalStateException(jar + " is not there: bench/run builds it");
    }
    List<String> words =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseCompactObjectHeaders",
                "-XX:+UseG1GC",
                "-XX:+ExitOnOutOfMemoryError",
                "-Xmx512m"));
    words.addAll(List.of(more));
    words.addAll(List.of("-jar", jar.toString()));
    return words;
  }
}
