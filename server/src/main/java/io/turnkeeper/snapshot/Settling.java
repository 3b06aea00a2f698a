package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Manifest.Extent;
import io.turnkeeper.snapshot.Tree.Stat;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * Patience with files that change while they are read, within one bound for a whole save. Agents
 * flush late; but one that never stops writing does not hold up the conversation: then the last
 * reading stands. A transcript may end in a line that is still being written: that line is left out
 * when it does not become whole.
 */
final class Settling {
  static final Duration STEP = Duration.ofMillis(50);
  static final int STEPS_MAX = 6;

  private final long startedMillis;
  private final Set<Path> cutShort = new TreeSet<>();
  private Map<Path, Path> copies = Map.of();
  private int steps = STEPS_MAX;

  Settling(long startedMillis) {
    this.startedMillis = startedMillis;
  }

  /** From now on these files are read from their copies. */
  void readFrom(Map<Path, Path> those) {
    copies = those;
  }

  record Read(Stat stat, byte[] data) {
    Read as(Stat other) {
      return new Read(other, data);
    }
  }

  record Cut(Stat stat, List<Extent> extents, @Nullable Hash content) {
    Cut as(Stat other) {
      return new Cut(other, extents, content);
    }
  }

  interface Reader extends Once<byte[]> {}

  interface Cutting extends Once<Cut> {}

  /** The wall clock when the save began. */
  long startedMillis() {
    return startedMillis;
  }

  /** Where the file is to be read: a copy, when one was made. */
  Path source(Path file) {
    return copies.getOrDefault(file, file);
  }

  /** The file's content; null when it is gone. */
  @Nullable Read read(Path file, Stat walked, Reader reader)
      throws IOException, InterruptedException {
    return once(
        file, walked, (stat, source) -> new Read(stat, reader.read(stat, source)), Read::as);
  }

  /** As {@link #read}, for what is cut as it is read. */
  @Nullable Cut cut(Path file, Stat walked, Cutting cutting)
      throws IOException, InterruptedException {
    return once(file, walked, cutting, Cut::as);
  }

  interface Once<T> {
    T read(Stat stat, Path source) throws IOException;
  }

  /** The files that were read without a last line that is not whole. */
  Set<Path> cutShort() {
    return Collections.unmodifiableSet(cutShort);
  }

  /** A copy does not change; it counts as the file that was walked over. */
  private <T> @Nullable T once(Path file, Stat walked, Once<T> once, BiFunction<T, Stat, T> as)
      throws IOException, InterruptedException {
    Path source = source(file);
    if (!source.equals(file)) {
      return as.apply(once.read(Stat.of(source), source), walked);
    }
    try {
      Stat stat = Stat.of(file);
      while (true) {
        Stat whole =
            stat.first(JsonLines.is(file) ? JsonLines.whole(file, stat.size()) : stat.size());
        T read = once.read(whole, file);
        Stat after = Stat.of(file);
        if (stat.equals(after) && whole.equals(stat) || !again()) {
          if (!whole.equals(stat)) {
            cutShort.add(file);
          }
          return as.apply(read, stat);
        }
        stat = after;
      }
    } catch (NoSuchFileException gone) {
      return null;
    }
  }

  /** Waits a step, if any are left. */
  boolean again() throws InterruptedException {
    if (steps == 0) {
      return false;
    }
    steps--;
    pause();
    return true;
  }

  /** Lets a step pass: whether files have settled is something that only time can tell. */
  static void pause() throws InterruptedException {
    LockSupport.parkNanos(STEP.toNanos());
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
  }
}
