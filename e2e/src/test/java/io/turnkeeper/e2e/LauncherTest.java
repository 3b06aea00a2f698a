package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script at the root, with JDKs and a Maven that are stubs. */
@Tag("e2e")
class LauncherTest {
  private static final String SYSTEM = "/usr/bin:/bin";

  /** Says what it was called with; as the replica that a build learns from, that it is ready. */
  private static final String JAVA =
      """
      #!/bin/sh
      for word; do
        case $word in -XX:AOTCacheOutput=*) echo cache >"${word#*=}"; echo "is ready at"; exit ;; esac
      done
      echo "$0 $*"
      """;

  /** Makes a jar, and says so in a file beside it. */
  private static final String MAVEN =
      """
      #!/bin/sh
      root=$(dirname "$4")
      echo "$JAVA_HOME" >>"$root/builds"
      [ ! -e "$root/broken" ] || { echo "no such symbol"; exit 1; }
      echo jar >"$root/server/target/turnkeeper.jar"
      """;

  @TempDir Path scratch;
  private Path jdk25;
  private Path jdk17;

  private record Ended(int status, String output) {}

  @BeforeEach
  void make_jdks() throws IOException {
    jdk25 = jdk("twenty-five", "25.0.1");
    jdk17 = jdk("seventeen", "17.0.9");
  }

  @Test
  void java_home_wins() throws Exception {
    Path other = jdk("other", "26");
    assertThat(jdkHome(jdk25, other)).isEqualTo(jdk25.toString());
    assertThat(jdkHome(other, jdk25)).isEqualTo(other.toString());
  }

  @Test
  void a_java_home_that_is_too_old_is_passed_over_for_a_newer_java_on_the_path() throws Exception {
    assertThat(jdkHome(jdk17, jdk25)).isEqualTo(jdk25.toString());
  }

  @Test
  void an_old_java_on_the_path_is_passed_over_for_a_jdk_in_the_usual_places() throws Exception {
    jdk("home/.jdks/twenty-seven", "27.0.1");
    // The machine's own, where it has one that is new enough.
    Path found = Path.of(jdkHome(null, jdk17));
    assertThat(found).isNotEqualTo(jdk17);
    Matcher major =
        Pattern.compile("JAVA_VERSION=\"(\\d+)").matcher(Turnkeeper.read(found.resolve("release")));
    assertThat(major.find()).isTrue();
    assertThat(Integer.parseInt(major.group(1))).isGreaterThanOrEqualTo(25);
  }

  @Test
  void a_java_on_the_path_that_is_a_link_leads_to_its_jdk() throws Exception {
    Path links = Files.createDirectories(scratch.resolve("links"));
    Files.createSymbolicLink(links.resolve("java2"), jdk25.resolve("bin/java"));
    Files.createSymbolicLink(links.resolve("java"), Path.of("java2"));
    Ended asked = launch(original(), Map.of("PATH", links + ":" + SYSTEM), "--jdk-home");
    assertThat(asked.output().strip()).isEqualTo(jdk25.toString());
  }

  @Test
  void a_jre_is_no_jdk() throws Exception {
    Files.delete(jdk25.resolve("bin/javac"));
    assertThat(jdkHome(jdk25, jdk("other", "26"))).endsWith("/other");
  }

  @Test
  void it_builds_what_is_missing_or_stale_and_nothing_else() throws Exception {
    Path tree = tree();
    // Called through links, from another directory.
    Path link = Files.createSymbolicLink(scratch.resolve("tk"), tree.resolve("turnkeeper"));
    Path linkToLink = Files.createSymbolicLink(scratch.resolve("tk2"), Path.of("tk"));
    Path jar = tree.resolve("server/target/turnkeeper.jar");

    Ended first = run(linkToLink, "status", "--json");
    assertThat(first.status()).as(first.output()).isZero();
    assertThat(first.output()).contains("building (first time").contains(jdk25 + "/bin/java ");
    assertThat(first.output()).contains("-jar " + jar + " status --json");
    assertThat(first.output()).contains("-XX:AOTCache=" + tree);
    assertThat(builds(tree)).containsExactly(jdk25.toString());

    assertThat(run(link, "status").output()).doesNotContain("building");
    assertThat(builds(tree)).hasSize(1);

    age(jar, 500);
    assertThat(run(link, "status").output()).contains("building, for the sources changed");
    assertThat(builds(tree)).hasSize(2);
    assertThat(run(link, "status").output()).doesNotContain("building");
    assertThat(builds(tree)).hasSize(2);
  }

  @Test
  void a_build_that_fails_says_why_and_runs_nothing() throws Exception {
    Path tree = tree();
    Files.createFile(tree.resolve("broken"));
    Ended failed = run(tree.resolve("turnkeeper"), "status");
    assertThat(failed.status()).isEqualTo(1);
    assertThat(failed.output()).contains("no such symbol").contains("the build failed");
    assertThat(failed.output()).doesNotContain("-jar");
    assertThat(tree.resolve("server/target/.build-lock")).doesNotExist();
  }

  /** A copy of what the launcher looks at, whose sources are from a while ago. */
  private Path tree() throws IOException {
    Path tree = Files.createDirectories(scratch.resolve("tree"));
    Files.copy(
        original(), tree.resolve("turnkeeper"), java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
    Path source = Files.createDirectories(tree.resolve("server/src/main")).resolve("A.java");
    for (Path file : List.of(tree.resolve("pom.xml"), tree.resolve("server/pom.xml"), source)) {
      Files.writeString(file, "x");
      age(file, 100);
    }
    age(source.getParent(), 100);
    return tree;
  }

  private static void age(Path file, long seconds) throws IOException {
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().minusSeconds(seconds)));
  }

  private static List<String> builds(Path tree) {
    return Turnkeeper.read(tree.resolve("builds")).lines().toList();
  }

  private Ended run(Path launcher, String... arguments) throws Exception {
    Path maven = Files.createDirectories(scratch.resolve("maven"));
    program(maven.resolve("mvn"), MAVEN);
    return launch(
        launcher, Map.of("JAVA_HOME", jdk25.toString(), "PATH", maven + ":" + SYSTEM), arguments);
  }

  private String jdkHome(Path javaHome, Path onPath) throws Exception {
    Map<String, String> environment = new TreeMap<>();
    environment.put("PATH", onPath + "/bin:" + SYSTEM);
    if (javaHome != null) {
      environment.put("JAVA_HOME", javaHome.toString());
    }
    Ended asked = launch(original(), environment, "--jdk-home");
    assertThat(asked.status()).as(asked.output()).isZero();
    return asked.output().strip();
  }

  private Ended launch(Path launcher, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    Path output = scratch.resolve("said");
    List<String> command = new ArrayList<>(List.of(launcher.toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().clear();
    builder.environment().put("HOME", scratch.resolve("home").toString());
    builder.environment().putAll(environment);
    Process process =
        builder
            .directory(scratch.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("ends by itself").isTrue();
      return new Ended(process.exitValue(), Turnkeeper.read(output));
    } finally {
      process.destroyForcibly();
    }
  }

  private static Path original() {
    return Path.of("..", "turnkeeper").toAbsolutePath().normalize();
  }

  private Path jdk(String name, String version) throws IOException {
    Path home = scratch.resolve(name);
    Files.createDirectories(home.resolve("bin"));
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    program(home.resolve("bin/java"), JAVA);
    program(home.resolve("bin/javac"), JAVA);
    return home;
  }

  private static void program(Path file, String text) throws IOException {
    Files.writeString(file, text);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
