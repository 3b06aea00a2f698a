package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What agents wrote about their own lives: lines of label, process id, nanoseconds, and for scripts
 * the run.
 */
record Marks(Path file) {
  /** One process that worked on what the label names, from its first mark to its last. */
  record Life(String label, long pid, long from, long to, int marks, String run) {}

  List<Life> lives() {
    Map<String, Life> lives = new HashMap<>();
    Turnkeeper.read(file)
        .lines()
        .map(line -> line.split(" "))
        .filter(words -> words.length >= 3)
        .forEach(words -> {
          long at = Long.parseLong(words[2]);
          String run = words.length > 3 ? words[3] : "";
          Life one = new Life(words[0], Long.parseLong(words[1]), at, at, 1, run);
          lives.merge(
              words[0] + " " + words[1] + " " + run,
              one,
              (a, b) ->
                  new Life(
                      a.label(),
                      a.pid(),
                      Math.min(a.from(), b.from()),
                      Math.max(a.to(), b.to()),
                      a.marks() + 1,
                      run));
        });
    return lives.values().stream().sorted(Comparator.comparingLong(Life::from)).toList();
  }

  List<Life> lives(String label) {
    return lives().stream().filter(it -> it.label().equals(label)).toList();
  }

  /** No two processes worked on one conversation at any time. */
  void assertNeverTwo() {
    Map<String, Life> before = new HashMap<>();
    List<String> twice = new ArrayList<>();
    for (Life life : lives()) {
      Life last = before.get(life.label());
      if (last != null && life.from() < last.to()) {
        twice.add(last + " and " + life + " for " + (last.to() - life.from()) / 1_000_000 + " ms");
      }
      if (last == null || life.to() > last.to()) {
        before.put(life.label(), life);
      }
    }
    assertThat(twice).as("two live workers of one conversation").isEmpty();
  }
}
