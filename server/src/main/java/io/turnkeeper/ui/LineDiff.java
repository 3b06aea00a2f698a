package io.turnkeeper.ui;

import java.util.ArrayList;
import java.util.List;

/** What changed between two texts of some dozen lines. */
public enum LineDiff {
  SAME(" "),
  GONE("-"),
  NEW("+");

  private final String mark;

  LineDiff(String mark) {
    this.mark = mark;
  }

  public String mark() {
    return mark;
  }

  /** A line, and whether it came or went. */
  public record Line(LineDiff how, String text) {}

  /** Lines that changed, each with one before and after it. */
  static List<Line> of(String before, String after) {
    List<String> old = before.lines().toList();
    List<String> now = after.lines().toList();
    int[][] common = new int[old.size() + 1][now.size() + 1];
    for (int i = old.size() - 1; i >= 0; i--) {
      for (int j = now.size() - 1; j >= 0; j--) {
        common[i][j] =
            old.get(i).equals(now.get(j))
                ? common[i + 1][j + 1] + 1
                : Math.max(common[i + 1][j], common[i][j + 1]);
      }
    }
    List<Line> all = new ArrayList<>();
    int i = 0;
    int j = 0;
    while (i < old.size() || j < now.size()) {
      if (i < old.size() && j < now.size() && old.get(i).equals(now.get(j))) {
        all.add(new Line(SAME, old.get(i++)));
        j++;
      } else if (j == now.size() || i < old.size() && common[i + 1][j] >= common[i][j + 1]) {
        all.add(new Line(GONE, old.get(i++)));
      } else {
        all.add(new Line(NEW, now.get(j++)));
      }
    }
    return near(all);
  }

  private static List<Line> near(List<Line> all) {
    List<Line> shown = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      boolean changed = false;
      for (int j = Math.max(0, i - 1); j <= Math.min(all.size() - 1, i + 1); j++) {
        changed |= all.get(j).how() != SAME;
      }
      if (changed) {
        shown.add(all.get(i));
      }
    }
    return shown;
  }
}
