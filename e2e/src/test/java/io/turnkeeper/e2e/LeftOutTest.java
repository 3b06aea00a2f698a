package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What plain {@code mvn verify} says in its last lines is what it leaves out. */
@Tag("e2e")
class LeftOutTest {
  private static final String EXTERNAL = "@Tag(\"external\")";
  private static final Pattern SAID = Pattern.compile("<echo [^>]*>([^<]*)</echo>");

  @Test
  void the_last_lines_of_a_build_name_every_class_that_it_left_out() throws IOException {
    String said =
        SAID.matcher(Files.readString(Path.of("pom.xml")))
            .results()
            .map(line -> line.group(1))
            .collect(Collectors.joining("\n"));
    Set<String> named = new TreeSet<>();
    Matcher test = Pattern.compile("\\b\\w+Test\\b").matcher(said);
    while (test.find()) {
      named.add(test.group());
    }
    assertThat(named).as("classes that e2e/pom.xml names").isEqualTo(external());
    assertThat(said).contains("db-external", "./verify");
  }

  @Test
  void nothing_is_built_after_those_lines() throws IOException {
    String modules = Files.readString(Path.of("..", "pom.xml"));
    assertThat(modules.lastIndexOf("<module>")).isEqualTo(modules.indexOf("<module>e2e<"));
    String pom = Files.readString(Path.of("pom.xml"));
    assertThat(pom.substring(pom.indexOf("<id>left-out</id>"))).contains("<phase>verify</phase>");
    assertThat(pom.indexOf("<phase>verify</phase>")).isGreaterThan(pom.indexOf("say-what"));
  }

  private static Set<String> external() throws IOException {
    try (Stream<Path> sources = Files.walk(Path.of("src", "test", "java"))) {
      return sources
          .filter(file -> file.toString().endsWith("Test.java"))
          .filter(file -> Turnkeeper.read(file).lines().anyMatch(EXTERNAL::equals))
          .map(file -> file.getFileName().toString().replace(".java", ""))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }
}
