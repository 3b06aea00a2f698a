package io.turnkeeper.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The page for people and the settings of the program are the same. */
class ConfigurationPageTest {
  private static final Path PAGE = Path.of("..", "docs", "configuration.md");
  private static final Set<String> BY_MACHINE =
      Set.of("max-leases", "worker.memory-budget", "worker.memory");

  @Test
  void the_page_has_each_setting_with_its_default_and_range_and_no_other() throws IOException {
    List<String> expected = new ArrayList<>();
    for (Setting<?> setting : Setting.all(new ConfigLoader.Machine(2, 8L << 30))) {
      String value = setting.fallback().isEmpty() ? "none" : "`" + setting.fallback() + "`";
      expected.add(
          "| `%s` | `%s` | %s | %s | %s |"
              .formatted(
                  setting.name(),
                  setting.env(),
                  BY_MACHINE.contains(setting.name()) ? "by machine" : value,
                  setting.type().range().replace("|", "\\|"),
                  setting.doc()));
    }
    List<String> rows =
        Files.readAllLines(PAGE).stream().filter(line -> line.startsWith("| `")).toList();

    assertThat(rows)
        .as("the table of %s; it should be:%n%s", PAGE, String.join("\n", expected))
        .isEqualTo(expected);
  }
}
