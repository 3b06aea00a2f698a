package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Seen.FileSeen;
import io.turnkeeper.snapshot.Tree.Found;
import io.turnkeeper.snapshot.Tree.Regular;
import io.turnkeeper.snapshot.Tree.Stat;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Copies of SQLite databases that belong together with their logs. A database is read before and
 * after its log: when both readings are the same, no checkpoint came between, so that all that was
 * committed before is in one of the two. SQLite's own checksums cut off what was being appended to
 * the log meanwhile. The shared-memory index is made anew by whoever opens the database.
 */
final class SqliteCopies implements AutoCloseable {
  private static final byte[] HEADER = "SQLite format 3\0".getBytes(StandardCharsets.US_ASCII);
  private static final List<String> LOGS = List.of("-wal", "-journal");
  private static final String INDEX = "-shm";

  private final Path root;
  private final Map<Path, Path> copies = new HashMap<>();
  private final TreeMap<String, Found> found = new TreeMap<>();
  private @Nullable Path directory;

  SqliteCopies(Path root) {
    this.root = root;
  }

  /** Where to read a file that was copied. */
  Map<Path, Path> copies() {
    return Map.copyOf(copies);
  }

  /**
   * Copies the databases that were touched since they were seen; answers the tree with the logs
   * that belong to the copies and without the files that are not to be kept.
   *
   * @throws Fence.Refused when a database does not hold still: what was saved before is better
   */
  Tree of(Tree tree, Map<String, FileSeen> seen, Settling settling)
      throws IOException, InterruptedException {
    tree.found().forEach(f -> found.put(f.path(), f));
    for (Found each : tree.found()) {
      if (each instanceof Regular file && mayBeDatabase(file) && isDatabase(file)) {
        found.remove(file.path() + INDEX);
        if (touched(file, seen)) {
          copy(file, settling);
        }
      }
    }
    return Tree.of(found.values());
  }

  private static boolean mayBeDatabase(Regular file) {
    return file.stat().size() >= 512 && LOGS.stream().noneMatch(file.path()::endsWith);
  }

  private boolean isDatabase(Regular file) throws IOException {
    try (InputStream in =
        Files.newInputStream(root.resolve(file.path()), LinkOption.NOFOLLOW_LINKS)) {
      return Arrays.equals(in.readNBytes(HEADER.length), HEADER);
    } catch (NoSuchFileException gone) {
      return false;
    }
  }

  private boolean touched(Regular file, Map<String, FileSeen> seen) {
    List<Regular> together = new ArrayList<>(List.of(file));
    for (String log : LOGS) {
      if (found.get(file.path() + log) instanceof Regular beside) {
        together.add(beside);
      }
    }
    return together.stream()
        .anyMatch(f -> {
          FileSeen last = seen.get(f.path());
          return last == null || !last.untouched(f.stat());
        });
  }

  private void copy(Regular file, Settling settling) throws IOException, InterruptedException {
    Path database = root.resolve(file.path());
    Path into = Files.createTempDirectory(temporary(), "db");
    try {
      do {
        Path copy = into.resolve("main");
        Hash before = copied(database, copy);
        Map<String, Path> logs = new HashMap<>();
        for (String log : LOGS) {
          Path beside = root.resolve(file.path() + log);
          Path to = into.resolve(log.substring(1));
          if (Files.isRegularFile(beside, LinkOption.NOFOLLOW_LINKS)) {
            try {
              copied(beside, to);
              logs.put(log, to);
            } catch (NoSuchFileException gone) {
              continue;
            }
          }
        }
        if (before.equals(hash(database))) {
          keep(file, copy, logs);
          return;
        }
      } while (settling.again());
    } catch (NoSuchFileException gone) {
      found.remove(file.path());
      return;
    }
    throw new Fence.Refused("a database kept changing while it was read: " + file.path());
  }

  private void keep(Regular file, Path copy, Map<String, Path> logs) throws IOException {
    copies.put(root.resolve(file.path()), copy);
    for (String log : LOGS) {
      String path = file.path() + log;
      Path logCopy = logs.get(log);
      if (logCopy == null) {
        found.remove(path);
        continue;
      }
      copies.put(root.resolve(path), logCopy);
      found.put(path, new Regular(path, Stat.of(logCopy)));
    }
  }

  private Path temporary() throws IOException {
    Path made = directory == null ? Files.createTempDirectory("turnkeeper-save") : directory;
    directory = made;
    return made;
  }

  private Hash copied(Path from, Path to) throws IOException {
    try (InputStream in = Below.open(root, from);
        OutputStream out = Files.newOutputStream(to)) {
      return through(in, out);
    }
  }

  private Hash hash(Path file) throws IOException {
    try (InputStream in = Below.open(root, file)) {
      return through(in, OutputStream.nullOutputStream());
    }
  }

  private static Hash through(InputStream in, OutputStream out) throws IOException {
    MessageDigest digest = Hash.digest();
    byte[] buffer = new byte[Chunker.MAX];
    for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
      digest.update(buffer, 0, n);
      out.write(buffer, 0, n);
    }
    return Hash.of(digest);
  }

  /** Removes the copies. */
  @Override
  public void close() throws IOException {
    if (directory != null) {
      Restoration.empty(directory);
      Files.deleteIfExists(directory);
    }
  }
}
