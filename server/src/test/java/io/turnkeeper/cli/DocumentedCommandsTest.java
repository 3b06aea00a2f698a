package io.turnkeeper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** Every command that the documents and the examples of the help show can be typed. */
class DocumentedCommandsTest {
  private static final Path ROOT = Path.of("..");
  private static final Pattern COMMAND =
      Pattern.compile("(?:^|[`(\\s])(?:\\./)?turnkeeper (?=[a-z-])");
  private static final Pattern IN_LINE = Pattern.compile("`\\./turnkeeper [^`]*`");
  private static final Pattern END = Pattern.compile("[|>#&].*");
  private static final Pattern WORD = Pattern.compile("'([^']*)'|\"([^\"]*)\"|([^\\s`)]+)");

  @Test
  void every_command_in_the_documents_exists_with_its_options() throws IOException {
    int checked = 0;
    for (String page :
        List.of("README.md", "CONTRIBUTING.md", "docs/operations.md", "docs/configuration.md")) {
      for (String line : commandLines(Files.readString(ROOT.resolve(page)))) {
        assertCanBeTyped(page, line);
        checked++;
      }
    }
    assertThat(checked).isGreaterThan(15);
  }

  @Test
  void every_example_of_the_help_can_be_typed() {
    assertExamples(line());
  }

  private static void assertExamples(CommandLine command) {
    for (String footer : command.getCommandSpec().usageMessage().footer()) {
      Matcher shown = COMMAND.matcher(footer);
      if (shown.find()) {
        assertCanBeTyped(command.getCommandSpec().qualifiedName(), footer.substring(shown.end()));
      }
    }
    command.getSubcommands().values().forEach(DocumentedCommandsTest::assertExamples);
  }

  /** Of code blocks all lines that run the program, of running text what is in back quotes. */
  private static List<String> commandLines(String page) {
    List<String> lines = new ArrayList<>();
    boolean code = false;
    for (String line : page.split("\n")) {
      if (line.startsWith("```")) {
        code = !code;
        continue;
      }
      Stream<String> parts =
          code ? Stream.of(line) : IN_LINE.matcher(line).results().map(it -> it.group());
      parts.forEach(part -> {
        Matcher shown = COMMAND.matcher(part);
        if (shown.find()) {
          lines.add(part.substring(shown.end()));
        }
      });
    }
    return lines;
  }

  private static void assertCanBeTyped(String where, String text) {
    List<String> words = new ArrayList<>();
    Matcher word = WORD.matcher(text);
    while (word.find() && !END.matcher(word.group()).matches()) {
      words.add(
          Stream.of(word.group(1), word.group(2), word.group(3))
              .filter(it -> it != null)
              .findFirst()
              .orElse(""));
    }
    try {
      line().parseArgs(words.toArray(String[]::new));
    } catch (CommandLine.ParameterException wrong) {
      throw new AssertionError(
          "%s shows: turnkeeper %s; but: %s".formatted(where, text, wrong.getMessage()), wrong);
    }
  }

  private static CommandLine line() {
    PrintStream nowhere =
        new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
    CommandLine line =
        Main.commandLine(
            new Shell(
                new ByteArrayInputStream(new byte[0]),
                nowhere,
                nowhere,
                false,
                Map.of(),
                Path.of("/")));
    line.registerConverter(Duration.class, text -> Duration.ZERO);
    return line;
  }
}
