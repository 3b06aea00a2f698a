package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.RunId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A conversation's place on this replica's disk, worth nothing once the replica is gone:
 *
 * <pre>
 * conversations/ORGANIZATION/KEY/state/home        the agent's HOME, with its working directory in it
 * conversations/ORGANIZATION/KEY/token/run         the token of the run under way, in a directory that can be shown
 *                                                  to the agent as it is
 * conversations/ORGANIZATION/KEY/at                the run whose snapshot the state equals; absent while it may differ
 * </pre>
 */
final class ConversationFiles {
  private static final FileAttribute<?> OWNER_ONLY =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

  private final Path directory;

  ConversationFiles(Path data, Conversation conversation) {
    this.directory = directory(data, conversation);
  }

  static Path directory(Path data, Conversation conversation) {
    return all(data)
        .resolve(conversation.organization().toString())
        .resolve(Long.toString(conversation.key()));
  }

  /** Where all conversations have their places. */
  static Path all(Path data) {
    return data.resolve("conversations");
  }

  Path state() {
    return directory.resolve("state");
  }

  Path home() {
    return state().resolve("home");
  }

  Path workDir() {
    return home().resolve("work");
  }

  /** The run whose snapshot is what is on this disk. */
  Optional<RunId> at() {
    try {
      return RunId.parse(Files.readString(directory.resolve("at"), StandardCharsets.UTF_8).strip());
    } catch (NoSuchFileException absent) {
      return Optional.empty();
    } catch (IOException unreadable) {
      return Optional.empty();
    }
  }

  /** Called before the agent may change anything. */
  void dirty() {
    try {
      Files.deleteIfExists(directory.resolve("at"));
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** Called once the state equals a run's snapshot. */
  void clean(RunId run) {
    try {
      Files.createDirectories(directory);
      Files.writeString(directory.resolve("at"), run.toString(), StandardCharsets.UTF_8);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  Path tokens() {
    return directory.resolve("token");
  }

  Path tokenFile() {
    return tokens().resolve("run");
  }

  /** Replaces it whole: who reads it finds the one before or this one. For the owner alone. */
  void writeToken(String token) {
    Path file = tokenFile();
    Path next = file.resolveSibling("next");
    try {
      Files.createDirectories(file.getParent());
      Files.deleteIfExists(next);
      Files.createFile(next, OWNER_ONLY);
      Files.writeString(next, token, StandardCharsets.UTF_8);
      // The directory is the worker's, which may be another user.
      UserPrincipal owner = Files.getOwner(file.getParent());
      if (!owner.equals(Files.getOwner(next))) {
        Files.setOwner(next, owner);
      }
      Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  void removeToken() {
    try {
      Files.deleteIfExists(tokenFile());
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  void ensure() {
    try {
      Files.createDirectories(workDir());
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** Removes everything of the conversation from this disk. */
  void wipe() {
    remove(directory);
  }

  /** Removes a place with all that is in it; links are removed, not followed. */
  static void remove(Path place) {
    try {
      if (Files.exists(place)) {
        Files.walkFileTree(place, DELETE);
      }
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private static final SimpleFileVisitor<Path> DELETE =
      new SimpleFileVisitor<>() {
        @Override
        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
            throws IOException {
          Files.deleteIfExists(file);
          return FileVisitResult.CONTINUE;
        }

        @Override
        public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failed)
            throws IOException {
          Files.deleteIfExists(directory);
          return FileVisitResult.CONTINUE;
        }
      };
}
