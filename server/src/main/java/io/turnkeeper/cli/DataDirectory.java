package io.turnkeeper.cli;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A replica's own directory, held by one process at a time. The hold ends with the process. */
final class DataDirectory implements AutoCloseable {
  /** Counts layouts that older programs cannot read. */
  private static final String FORMAT = "1";

  /** Less than this, and the database would stop in the middle of its work. */
  private static final long FREE_BYTES_MIN = 64L << 20;

  private final FileChannel lockFile;

  private DataDirectory(FileChannel lockFile) {
    this.lockFile = lockFile;
  }

  /**
   * Takes the directory, and makes it when it is not there.
   *
   * @throws Failure when another process has it, when it is of another version, or cannot be
   *     written
   */
  static DataDirectory open(Path path) {
    FileChannel channel = null;
    try {
      Files.createDirectories(path);
      long free = Files.getFileStore(path).getUsableSpace();
      if (free < FREE_BYTES_MIN) {
        throw new Failure(
            ExitCode.FAILED,
            "the disk under %s is full (%d MiB left): free some space, or give another --data"
                .formatted(path, free >> 20));
      }
      Path lock = path.resolve("lock");
      channel =
          FileChannel.open(
              lock, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      hold(channel, path);
      checkFormat(path.resolve("format"));
      keepPrivate(path.resolve("conversations"));
      return new DataDirectory(channel);
    } catch (IOException unusable) {
      closeQuietly(channel);
      throw new Failure(
          ExitCode.FAILED,
          "cannot use the data directory %s (%s): give another with --data"
              .formatted(path, reason(unusable)));
    } catch (Failure failure) {
      closeQuietly(channel);
      throw failure;
    }
  }

  @Override
  public void close() {
    closeQuietly(lockFile);
  }

  private static void hold(FileChannel channel, Path path) throws IOException {
    FileLock lock = tryLock(channel);
    if (lock == null) {
      String owner = Files.readString(path.resolve("lock"), StandardCharsets.UTF_8).strip();
      throw new Failure(
          ExitCode.FAILED,
          "another replica%s runs on %s: stop it, or give this one its own --data"
              .formatted(owner.isEmpty() ? "" : " (process " + owner + ")", path));
    }
    channel.truncate(0);
    channel.write(StandardCharsets.UTF_8.encode(ProcessHandle.current().pid() + "\n"), 0);
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException inThisProcess) {
      return null;
    }
  }

  /** What agents keep in their HOME is for nobody else on this machine. */
  private static void keepPrivate(Path conversations) throws IOException {
    Files.createDirectories(conversations);
    Files.setPosixFilePermissions(conversations, PosixFilePermissions.fromString("rwx------"));
  }

  private static void checkFormat(Path file) throws IOException {
    if (!Files.exists(file)) {
      Files.writeString(file, FORMAT + "\n");
      return;
    }
    String found = Files.readString(file).strip();
    if (!found.equals(FORMAT)) {
      throw new Failure(
          ExitCode.FAILED,
          "%s is of another version (format %s, this program has %s): use the program that made it, or give another --data"
              .formatted(file.getParent(), found, FORMAT));
    }
  }

  private static String reason(IOException thrown) {
    return switch (thrown) {
      case java.nio.file.AccessDeniedException denied -> "no permission";
      case java.nio.file.FileAlreadyExistsException file -> "it is a file";
      case java.nio.file.FileSystemException other ->
          Optional.ofNullable(other.getReason()).orElse("it cannot be written");
      default -> String.valueOf(thrown.getMessage());
    };
  }

  private static void closeQuietly(@Nullable FileChannel channel) {
    if (channel == null) {
      return;
    }
    try {
      channel.close();
    } catch (IOException alreadyGone) {
      // The lock ends with the process in any case.
    }
  }
}
