package io.turnkeeper.cli;

import io.turnkeeper.db.EmbeddedPostgres;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * All that the demo makes: a directory, the PostgreSQL in it, and the replicas. The PostgreSQL
 * belongs to the demo and not to a replica, so that any replica can be killed.
 */
final class DemoScratch {
  private static final Duration LEFT_PROCESS_GRACE = Duration.ofSeconds(5);
  private static final Duration LOOK_EVERY = Duration.ofMillis(20);

  private final Path directory;
  private final List<DemoReplica> replicas = new ArrayList<>();
  private @Nullable EmbeddedPostgres postgres;
  private boolean cleaned;

  /**
   * @param temporary where it goes: the JVM's own choice passes over TMPDIR
   */
  DemoScratch(Path temporary) {
    try {
      this.directory = Files.createTempDirectory(temporary, "turnkeeper-demo-");
    } catch (IOException unusable) {
      throw new Failure(
          ExitCode.FAILED,
          "the demo cannot make its scratch directory in %s: set TMPDIR to a directory that you may write to"
              .formatted(temporary));
    }
  }

  Path directory() {
    return directory;
  }

  Path data(String name) {
    return directory.resolve(name);
  }

  /** What all replicas log. */
  Path log() {
    return directory.resolve("replicas.log");
  }

  /** A word in the agents' command lines, by which their processes are found. */
  String marker() {
    return "agent.of=" + directory.getFileName();
  }

  /** An interrupt waits for it: half a start would leave processes behind. */
  synchronized void startPostgres() {
    refuseAfterEnd();
    postgres = EmbeddedPostgres.start(directory.resolve("postgres"), directory.resolve("binaries"));
  }

  /** Returns when it is ready. May be called for several at once. */
  DemoReplica startReplica(String name) throws IOException, InterruptedException {
    DemoReplica fresh;
    synchronized (this) {
      refuseAfterEnd();
      if (postgres == null) {
        throw new IllegalStateException("the database comes first");
      }
      fresh = DemoReplica.launch(data(name), log(), postgres.url());
      replicas.add(fresh);
    }
    fresh.awaitReady();
    return fresh;
  }

  private void refuseAfterEnd() {
    if (cleaned) {
      throw new Failure(ExitCode.INTERRUPTED, "interrupted");
    }
  }

  /** Ends all processes and removes the directory. Does nothing the second time. */
  synchronized void clean() throws IOException {
    if (cleaned) {
      return;
    }
    cleaned = true;
    replicas.forEach(DemoReplica::tell);
    replicas.forEach(DemoReplica::close);
    if (postgres != null) {
      postgres.close();
    }
    Set<Long> left = leftProcesses();
    for (long one : left) {
      ProcessHandle.of(one).ifPresent(ProcessHandle::destroyForcibly);
    }
    gone(left);
    delete(directory);
  }

  /** Replicas, wardens, agents and PostgreSQL. */
  Set<Long> leftProcesses() {
    Set<Long> all = new HashSet<>(processes(directory.toString()));
    all.addAll(processes(marker()));
    return all;
  }

  /** The processes that carry a word in their arguments, without this one. */
  static Set<Long> processes(String word) {
    return ProcessHandle.allProcesses()
        .filter(process -> process.pid() != ProcessHandle.current().pid())
        .map(ProcessHandle::pid)
        .filter(pid -> commandLine(pid).contains(word))
        .collect(Collectors.toSet());
  }

  /** Whole: {@link ProcessHandle.Info} knows no command line that is longer than a page. */
  private static String commandLine(long pid) {
    try {
      return Files.readString(
          Path.of("/proc", Long.toString(pid), "cmdline"), StandardCharsets.ISO_8859_1);
    } catch (IOException goneOrNotOurs) {
      return "";
    }
  }

  /** Waits a moment for what has been told to end. */
  static boolean gone(Set<Long> pids) {
    long until = System.nanoTime() + LEFT_PROCESS_GRACE.toNanos();
    while (pids.stream().anyMatch(DemoScratch::lives)) {
      if (System.nanoTime() > until) {
        return false;
      }
      LockSupport.parkNanos(LOOK_EVERY.toNanos());
    }
    return true;
  }

  private static boolean lives(long pid) {
    return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
  }

  static void delete(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failed) throws IOException {
            if (failed instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw failed;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException failed)
              throws IOException {
            Files.deleteIfExists(visited);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
