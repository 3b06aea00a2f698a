package io.turnkeeper.cli;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.toml.TomlMapper;

/**
 * How the command line finds the server of a data directory: {@code DIR/credentials}, readable by
 * its owner only.
 */
record Credentials(String url, String key) {
  private static final Set<PosixFilePermission> OWNER_ONLY =
      EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

  static Path fileIn(Path data) {
    return data.resolve("credentials");
  }

  /** Empty when there is no such file. */
  static Optional<Credentials> read(Path data) {
    Path file = fileIn(data);
    try {
      JsonNode tree = new TomlMapper().readTree(Files.readString(file));
      return Optional.of(
          new Credentials(tree.path("url").asString(""), tree.path("key").asString("")));
    } catch (java.nio.file.NoSuchFileException | java.nio.file.NotDirectoryException none) {
      return Optional.empty();
    } catch (IOException | JacksonException unreadable) {
      throw new Failure(
          ExitCode.FAILED, "cannot read " + file + ": give --url and --key instead, or repair it");
    }
  }

  /** Replaces the file whole: a reader sees the old one or the new one. */
  void write(Path data) {
    Path file = fileIn(data);
    String text = "url = \"%s\"\nkey = \"%s\"\n".formatted(url, key);
    try {
      Files.createDirectories(data);
      Path fresh =
          Files.createTempFile(
              data, ".credentials", "", PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      Files.writeString(fresh, text, StandardOpenOption.TRUNCATE_EXISTING);
      try {
        Files.move(
            fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (AtomicMoveNotSupportedException notHere) {
        Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException unwritable) {
      throw new Failure(
          ExitCode.FAILED,
          "cannot write " + file + " (" + unwritable.getMessage() + "): is the disk full?");
    }
  }
}
