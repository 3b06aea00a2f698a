package io.turnkeeper.snapshot;

/** What may be the name of an entry, and where a link may lead. */
final class Paths {
  private static final int CHARS_MAX = 4096;

  private Paths() {}

  /** Whether the path names something under the root, by itself, wherever links lead. */
  static boolean inside(String path) {
    if (path.isEmpty() || path.length() > CHARS_MAX || path.indexOf('\0') >= 0) {
      return false;
    }
    for (String name : path.split("/", -1)) {
      if (name.isEmpty() || name.equals(".") || name.equals("..")) {
        return false;
      }
    }
    return true;
  }

  /**
   * Whether a link at the path leads to something under the root. Steps up count only at the start
   * of the target: after another link they would climb from wherever that one leads.
   */
  static boolean inside(String path, String target) {
    if (target.isEmpty()
        || target.length() > CHARS_MAX
        || target.startsWith("/")
        || target.indexOf('\0') >= 0) {
      return false;
    }
    int depth = path.split("/", -1).length - 1;
    boolean down = false;
    for (String name : target.split("/", -1)) {
      if (name.equals("..")) {
        if (down || depth-- == 0) {
          return false;
        }
      } else if (!name.isEmpty() && !name.equals(".")) {
        down = true;
      }
    }
    return true;
  }
}
