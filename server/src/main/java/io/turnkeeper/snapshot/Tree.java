package io.turnkeeper.snapshot;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The files under a root at one look. What vanishes during the look is not in it; sockets, pipes
 * and devices never are, nor links that lead out of the root.
 */
record Tree(List<Found> found, int files, long bytes) {
  /** One that may be kept: never reached through a link. */
  sealed interface Found {
    String path();
  }

  record Directory(String path, int mode) implements Found {}

  record Link(String path, String target) implements Found {}

  record Regular(String path, Stat stat) implements Found {}

  /** What says that a file has not been touched: nobody can set the time of the last change. */
  record Stat(long inode, long size, FileTime modified, FileTime changed, int mode) {
    static Stat of(Path file) throws IOException {
      Map<String, Object> read =
          Files.readAttributes(
              file, "unix:ino,size,lastModifiedTime,ctime,mode", LinkOption.NOFOLLOW_LINKS);
      return new Stat(
          value(read, "ino", Long.class),
          value(read, "size", Long.class),
          value(read, "lastModifiedTime", FileTime.class),
          value(read, "ctime", FileTime.class),
          value(read, "mode", Integer.class) & 0777);
    }

    private static <T> T value(Map<String, Object> read, String name, Class<T> type) {
      return type.cast(Objects.requireNonNull(read.get(name), name));
    }

    /** As if the file ended there. */
    Stat first(long bytes) {
      return bytes == size ? this : new Stat(inode, bytes, modified, changed, mode);
    }

    long latestMillis() {
      return Math.max(modified.toMillis(), changed.toMillis());
    }
  }

  /** Looks at everything that the selection keeps, sorted so that parents come first. */
  static Tree of(Path root, Selection selection) throws IOException {
    Look look = new Look(root, selection);
    if (Files.isDirectory(root, LinkOption.NOFOLLOW_LINKS)) {
      Files.walkFileTree(root, look);
    }
    if (!selection.keepsEmpty()) {
      look.dropEmpty();
    }
    return of(look.found.values());
  }

  static Tree of(Collection<Found> all) {
    int files = 0;
    long bytes = 0;
    for (Found found : all) {
      files += found instanceof Directory ? 0 : 1;
      bytes += found instanceof Regular regular ? regular.stat().size() : 0;
    }
    return new Tree(List.copyOf(all), files, bytes);
  }

  /** As {@link #of}, once no file has changed for a moment, or after a bounded wait. */
  static Tree settled(Path root, Selection selection) throws IOException, InterruptedException {
    Tree tree = of(root, selection);
    for (int i = 0; i < Settling.STEPS_MAX; i++) {
      long quietSince = System.currentTimeMillis() - Settling.STEP.toMillis();
      boolean quiet =
          tree.found().stream()
              .noneMatch(f -> f instanceof Regular r && r.stat().latestMillis() > quietSince);
      if (quiet) {
        return tree;
      }
      Settling.pause();
      tree = of(root, selection);
    }
    return tree;
  }

  private static final class Look extends SimpleFileVisitor<Path> {
    final TreeMap<String, Found> found = new TreeMap<>();
    private final Path root;
    private final Selection selection;

    Look(Path root, Selection selection) {
      this.root = root;
      this.selection = selection;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
        throws IOException {
      if (directory.equals(root)) {
        return FileVisitResult.CONTINUE;
      }
      String path = name(directory);
      if (selection.skips(path)) {
        return FileVisitResult.SKIP_SUBTREE;
      }
      try {
        found.put(path, new Directory(path, Stat.of(directory).mode()));
        return FileVisitResult.CONTINUE;
      } catch (NoSuchFileException gone) {
        return FileVisitResult.SKIP_SUBTREE;
      }
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
      String path = name(file);
      if (!selection.keeps(path)) {
        return FileVisitResult.CONTINUE;
      }
      try {
        if (attributes.isSymbolicLink()) {
          String target = Files.readSymbolicLink(file).toString();
          if (Paths.inside(path, target)) {
            found.put(path, new Link(path, target));
          }
        } else if (attributes.isRegularFile()) {
          found.put(path, new Regular(path, Stat.of(file)));
        }
      } catch (NoSuchFileException gone) {
        return FileVisitResult.CONTINUE;
      }
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
    public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failed)
        throws IOException {
      if (failed != null && !(failed instanceof NoSuchFileException)) {
        throw failed;
      }
      return FileVisitResult.CONTINUE;
    }

    void dropEmpty() {
      Set<String> needed = new HashSet<>();
      for (Found each : found.values()) {
        if (!(each instanceof Directory)) {
          List<String> parents = new ArrayList<>();
          for (int at = each.path().lastIndexOf('/'); at > 0; ) {
            parents.add(each.path().substring(0, at));
            at = each.path().lastIndexOf('/', at - 1);
          }
          needed.addAll(parents);
        }
      }
      found.values().removeIf(f -> f instanceof Directory && !needed.contains(f.path()));
    }

    private String name(Path path) {
      return root.relativize(path).toString();
    }
  }
}
