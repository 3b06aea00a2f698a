package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker that swaps its directories for links while it is saved. */
class BelowTest {
  @TempDir Path dir;

  @Test
  void a_file_is_not_read_through_a_link_on_the_way_wherever_that_is() throws IOException {
    Path root = Files.createDirectories(dir.resolve("root"));
    Path others = Files.createDirectories(dir.resolve("others/deep"));
    Files.writeString(others.resolve("secret"), "not yours");
    Files.createDirectories(root.resolve("home/deep"));
    Path file = Files.writeString(root.resolve("home/deep/secret"), "mine");
    assertThat(read(root, file)).isEqualTo("mine");

    Files.delete(file);
    Files.delete(root.resolve("home/deep"));
    Files.createSymbolicLink(root.resolve("home/deep"), others);
    assertThatThrownBy(() -> read(root, file)).isInstanceOf(NoSuchFileException.class);

    Files.delete(root.resolve("home/deep"));
    Files.delete(root.resolve("home"));
    Files.createSymbolicLink(root.resolve("home"), dir.resolve("others"));
    assertThatThrownBy(() -> read(root, file)).isInstanceOf(NoSuchFileException.class);

    Files.delete(root.resolve("home"));
    Files.createSymbolicLink(root.resolve("secret"), others.resolve("secret"));
    assertThatThrownBy(() -> read(root, root.resolve("secret"))).isInstanceOf(IOException.class);
  }

  private static String read(Path root, Path file) throws IOException {
    try (var in = Below.open(root, file)) {
      return new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    }
  }
}
