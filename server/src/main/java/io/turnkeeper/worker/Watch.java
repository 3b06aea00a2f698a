package io.turnkeeper.worker;

import io.turnkeeper.base.Clock;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at what the workers take, and ends those that take more than they may. It comes a moment
 * late: where the system itself can hold a worker to a limit, that is done too. Without workers it
 * does nothing.
 */
final class Watch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Watch.class);
  private static final Duration LOOK_EVERY = Duration.ofMillis(500);

  /** Files are counted for a fiftieth of the time at most. */
  private static final Duration COUNT_EVERY = Duration.ofSeconds(2);

  private static final int COUNT_SHARE = 50;

  /** The least that a file costs. */
  private static final long BLOCK_BYTES = 4096;

  private final Clock clock;
  private final Set<Child> children = ConcurrentHashMap.newKeySet();
  private final Map<Child, Long> countAgain = new ConcurrentHashMap<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private boolean started;
  private boolean closed;

  Watch(Clock clock) {
    this.clock = clock;
  }

  /** Watches it from now on, as long as it lives. */
  void add(Child child) {
    if (child.limits().equals(Walls.Limits.NONE)) {
      return;
    }
    children.add(child);
    lock.lock();
    try {
      if (!started && !closed) {
        started = true;
        // Platform threads: reading /proc and directories holds a virtual thread's carrier.
        Thread.ofPlatform().daemon().name("watch").start(() -> loop(LOOK_EVERY, this::look));
        Thread.ofPlatform()
            .daemon()
            .name("watch-files")
            .start(() -> loop(COUNT_EVERY, this::count));
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void loop(Duration every, Runnable look) {
    try {
      while (await(every)) {
        children.removeIf(child -> !child.isAlive());
        countAgain.keySet().retainAll(children);
        try {
          look.run();
        } catch (RuntimeException failed) {
          LOG.warn("what the workers take cannot be looked at", failed);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Waits for the next look; false when there is none. */
  private boolean await(Duration every) throws InterruptedException {
    lock.lock();
    try {
      while (children.isEmpty() && !closed) {
        changed.await();
      }
      long left = every.toNanos();
      while (left > 0 && !closed) {
        left = clock.await(lock, changed, left);
      }
      return !closed;
    } finally {
      lock.unlock();
    }
  }

  // ---- memory and processes

  private void look() {
    List<ProcessTable.Entry> table = ProcessTable.all();
    for (Child child : children) {
      WorkerFailure excess = excess(child, ProcessTable.family(child.pid(), table));
      if (excess != null) {
        child.condemn(excess);
      }
    }
  }

  private static @Nullable WorkerFailure excess(Child child, List<ProcessTable.Entry> family) {
    Walls.Limits limits = child.limits();
    int processes = family.stream().mapToInt(ProcessTable.Entry::threads).sum();
    if (limits.processes() > 0 && processes > limits.processes()) {
      return new WorkerFailure(
          "worker_processes_exceeded",
          ("the agent had %d processes and threads; it may have %d (the setting"
                  + " worker.processes)")
              .formatted(processes, limits.processes()));
    }
    if (limits.memory() == 0
        || family.stream().mapToLong(ProcessTable.Entry::residentBytes).sum() <= limits.memory()) {
      return null;
    }
    long held = family.stream().mapToLong(Watch::share).sum();
    return held <= limits.memory()
        ? null
        : new WorkerFailure(
            "worker_memory_exceeded",
            ("the agent's processes held %s of memory; they may hold %s (the setting worker.memory,"
                    + " or memory_bytes of the agent)")
                .formatted(shown(held), shown(limits.memory())));
  }

  /** What processes share counts once. */
  private static long share(ProcessTable.Entry entry) {
    OptionalLong exact = ProcessTable.proportionalBytes(entry.pid());
    return exact.orElse(entry.residentBytes());
  }

  // ---- files

  private void count() {
    for (Child child : children) {
      long max = child.limits().disk();
      if (max == 0 || clock.nanos() - countAgain.getOrDefault(child, Long.MIN_VALUE / 2) < 0) {
        continue;
      }
      long from = clock.nanos();
      long held = bytes(child.places());
      long now = clock.nanos();
      countAgain.put(child, now + (now - from) * COUNT_SHARE);
      if (held > max) {
        child.condemn(
            new WorkerFailure(
                WorkerFailure.DISK_EXCEEDED,
                ("the agent's HOME and temporary files held %s; they may hold %s (the setting"
                        + " worker.disk). HOME is set back to its last snapshot")
                    .formatted(shown(held), shown(max))));
      }
    }
  }

  private static long bytes(List<Path> places) {
    Sum sum = new Sum();
    for (Path place : places) {
      try {
        Files.walkFileTree(place, sum);
      } catch (IOException unreadable) {
        LOG.debug("{} cannot be counted", place, unreadable);
      }
    }
    return sum.bytes;
  }

  /** Follows no link. */
  private static final class Sum extends SimpleFileVisitor<Path> {
    private long bytes;

    @Override
    public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
      bytes += BLOCK_BYTES;
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
      bytes += (attributes.size() + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
      return FileVisitResult.CONTINUE;
    }

    /** What its owner may not read now, it made so: it does not get out of the count by that. */
    @Override
    public FileVisitResult visitFileFailed(Path file, IOException failed) throws IOException {
      if (failed instanceof java.nio.file.AccessDeniedException
          && Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)
          && !Limit.isRoot()) {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        Files.walkFileTree(file, this);
      }
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException failed) {
      return FileVisitResult.CONTINUE;
    }
  }

  private static String shown(long bytes) {
    return bytes >= 1L << 30
        ? String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30))
        : (bytes >> 20) + " MiB";
  }
}
