package io.turnkeeper.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A {@link Host} that runs, and is gone when closed. */
final class Hosted implements AutoCloseable {
  private static final int READY_SECONDS = 60;

  private final Process process;
  private final int port;
  private final String key;

  private Hosted(Process process, int port, String key) {
    this.process = process;
    this.port = port;
    this.key = key;
  }

  static Hosted start(Lab lab, Database database, int maxLeases) {
    Path ready = lab.scratch("host-ready");
    Path log = lab.scratch("host-log");
    List<String> words = new ArrayList<>();
    words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // As the launcher starts a replica.
    words.addAll(
        List.of(
            "-XX:+UseCompactObjectHeaders",
            "-XX:+UseG1GC",
            "-cp",
            System.getProperty("java.class.path"),
            Host.class.getName(),
            database.url(),
            Integer.toString(maxLeases),
            lab.scratch("host").toString(),
            ready.toString()));
    try {
      Process process =
          new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(log.toFile()).start();
      Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
      if (!Threads.await(
          20, READY_SECONDS, () -> Files.exists(ready) || !process.isAlive())
          || !process.isAlive()) {
        process.destroyForcibly();
        throw new IllegalStateException("the host did not start: " + Files.readString(log));
      }
      String[] said = Files.readString(ready).split(" ", -1);
      return new Hosted(process, Integer.parseInt(said[0]), said[1]);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  Wire wire() {
    return new Wire(port, key);
  }

  long residentBytes() {
    return Proc.residentBytes(process.pid());
  }

  /** Processor time used so far, in seconds. */
  double processorSeconds() {
    return Proc.processorSeconds(process.pid());
  }

  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor();
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }
}
