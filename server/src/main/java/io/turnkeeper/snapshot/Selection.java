package io.turnkeeper.snapshot;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;

/**
 * Which files of an agent are kept. Caches are left out because they are large, change all the
 * time, and come back by themselves. Lock files are kept: {@code yarn.lock} and its like are
 * content, and which of the others are stale only their owner knows.
 */
final class Selection {
  private static final String HOME = "home/";

  /** Beside HOME: the worker's temporary files. */
  private static final String TEMPORARY = "home.tmp";

  private static final List<String> CACHES =
      List.of(
          ".cache",
          ".npm",
          ".bun/install/cache",
          ".cargo/registry",
          ".gradle/caches",
          ".m2/repository",
          ".local/share/Trash",
          "**/node_modules/.cache",
          "**/__pycache__");

  private final boolean all;
  private final List<PathMatcher> matchers;

  private Selection(boolean all, List<PathMatcher> matchers) {
    this.all = all;
    this.matchers = matchers;
  }

  /**
   * @throws IllegalArgumentException when a glob cannot be read
   */
  static Selection of(List<String> include) {
    return include.isEmpty()
        ? new Selection(true, matchers(CACHES))
        : new Selection(false, matchers(include));
  }

  /** Whether a directory need not be looked into. */
  boolean skips(String directory) {
    return all
        ? matches(directory) || directory.equals(TEMPORARY)
        : !directory.equals("home") && !directory.startsWith(HOME);
  }

  /** Whether a file or link is kept. */
  boolean keeps(String file) {
    return all ? !matches(file) : matches(file);
  }

  /** Whether a directory is kept also when nothing in it is. */
  boolean keepsEmpty() {
    return all;
  }

  private boolean matches(String path) {
    if (!path.startsWith(HOME)) {
      return false;
    }
    Path relative = Path.of(path.substring(HOME.length()));
    return matchers.stream().anyMatch(matcher -> matcher.matches(relative));
  }

  private static List<PathMatcher> matchers(List<String> globs) {
    List<PathMatcher> matchers = new ArrayList<>();
    for (String glob : globs) {
      String plain = glob.startsWith("./") ? glob.substring(2) : glob;
      String bare = plain.endsWith("/") ? plain.substring(0, plain.length() - 1) : plain;
      add(matchers, bare);
      if (bare.startsWith("**/")) {
        add(matchers, bare.substring(3));
      }
    }
    return List.copyOf(matchers);
  }

  private static void add(List<PathMatcher> matchers, String glob) {
    matchers.add(FileSystems.getDefault().getPathMatcher("glob:" + glob));
    matchers.add(FileSystems.getDefault().getPathMatcher("glob:" + glob + "/**"));
  }
}
