package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A small file system of its own, which only the replica sees. */
@Tag("e2e")
@Promise(9)
class FullDiskAtStartTest {
  private static final String MOUNTED =
      "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";

  @TempDir Path scratch;

  /** Full from the start; and full in the middle of making the database. */
  @ParameterizedTest
  @ValueSource(strings = {"16m", "80m"})
  void a_full_disk_is_said_in_one_line(String size) throws Exception {
    Path disk = Files.createDirectory(scratch.resolve("disk"));
    assumeTrue(run(mounted(size, disk, List.of("true"))) == 0, "no file system may be mounted");

    int status =
        run(
            mounted(
                size,
                disk,
                Turnkeeper.command(
                    "up", "--port", "0", "--data", disk.resolve("data").toString())));

    String said = Turnkeeper.read(scratch.resolve("said"));
    assertThat(status).as("exit status; said: %s", said).isEqualTo(1);
    assertThat(said.lines())
        .singleElement()
        .asString()
        .contains("disk", "full", "free some space", disk.toString());
    assertThat(Npm.processes(line -> line.contains(disk.toString()))).isEmpty();
  }

  private static List<String> mounted(String size, Path disk, List<String> command) {
    boolean root = "root".equals(System.getProperty("user.name"));
    List<String> words = new ArrayList<>(List.of("unshare", root ? "-m" : "-Urm"));
    words.addAll(List.of("sh", "-c", MOUNTED, "sh", size, disk.toString()));
    words.addAll(command);
    return words;
  }

  private int run(List<String> command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(scratch.resolve("said").toFile())
            .start();
    try {
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("ends by itself").isTrue();
      return process.exitValue();
    } finally {
      process.destroyForcibly();
    }
  }
}
