package io.turnkeeper;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** docs/promises.md lists the tests that carry each promise, of both modules, and no other. */
class PromisesPageTest {
  private static final int PROMISES = 10;
  private static final Pattern PROMISED =
      Pattern.compile("@Promise\\(\\{?([\\d, ]+)\\}?\\)[^;{]*?\\b(class|void) (\\w+)");
  private static final Pattern HEADING = Pattern.compile("## (\\d+)\\. .+");
  private static final Pattern LISTED = Pattern.compile("- `([\\w.]+)`( \\(e2e\\))?");

  @Test
  void the_page_lists_the_tests_of_each_promise_and_no_other() throws IOException {
    Map<Integer, Set<String>> carried = new TreeMap<>();
    carry(Path.of("src", "test", "java"), "", carried);
    carry(Path.of("..", "e2e", "src", "test", "java"), " (e2e)", carried);

    assertThat(page()).isEqualTo(carried);
    assertThat(carried).hasSize(PROMISES).containsOnlyKeys(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  }

  private static void carry(Path sources, String mark, Map<Integer, Set<String>> into)
      throws IOException {
    try (Stream<Path> files = Files.walk(sources)) {
      for (Path file : files.filter(it -> it.toString().endsWith("Test.java")).toList()) {
        String type = file.getFileName().toString().replace(".java", "");
        Matcher promised = PROMISED.matcher(Files.readString(file));
        while (promised.find()) {
          String test = promised.group(2).equals("class") ? type : type + "." + promised.group(3);
          for (String number : promised.group(1).split(",\\s*", -1)) {
            into.computeIfAbsent(Integer.parseInt(number.strip()), _ -> new TreeSet<>())
                .add(test + mark);
          }
        }
      }
    }
  }

  private static Map<Integer, Set<String>> page() throws IOException {
    Map<Integer, Set<String>> listed = new TreeMap<>();
    List<String> lines = Files.readAllLines(Path.of("..", "docs", "promises.md"));
    int promise = 0;
    for (String line : lines) {
      Matcher heading = HEADING.matcher(line);
      Matcher test = LISTED.matcher(line);
      if (heading.matches()) {
        promise = Integer.parseInt(heading.group(1));
      } else if (test.matches()) {
        String mark = test.group(2) == null ? "" : test.group(2);
        listed.computeIfAbsent(promise, _ -> new TreeSet<>()).add(test.group(1) + mark);
      }
    }
    return listed;
  }
}
