package io.turnkeeper.config;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Which known name a mistyped one probably meant. */
final class Nearest {
  private Nearest() {}

  /**
   * Empty when nothing is near: at most a third of the letters may differ, or one holds the other's
   * last part.
   */
  static Optional<String> to(String typed, Collection<String> names) {
    return names.stream()
        .map(name -> new Near(name, distance(typed, name)))
        .filter(near ->
            near.distance() <= Math.max(2, near.name().length() / 3) || sameEnd(typed, near.name()))
        .min(Comparator.comparingInt(Near::distance).thenComparing(Near::name))
        .map(Near::name);
  }

  private record Near(String name, int distance) {}

  private static boolean sameEnd(String typed, String name) {
    return name.endsWith("." + typed) || typed.endsWith("." + name);
  }

  /** Levenshtein's. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[b.length()];
  }
}
