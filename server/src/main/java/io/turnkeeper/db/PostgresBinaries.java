package io.turnkeeper.db;

import io.turnkeeper.base.Refusal;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Locale;
import java.util.UUID;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/** The PostgreSQL in the jar, unpacked once. */
final class PostgresBinaries {
  /** Names the folder: a release with other binaries unpacks beside it. */
  private static final String NAME = "postgresql-18.6.0";

  private static final int BUFFER_BYTES = 1 << 16;
  private static final int EXECUTABLE = 0111;

  private PostgresBinaries() {}

  /**
   * Two processes may unpack at the same time: each does so aside, and the first to finish wins.
   */
  static Path unpacked(Path cache) throws IOException {
    Path home = cache.resolve(NAME);
    if (Files.exists(home.resolve("bin/postgres"))) {
      return home;
    }
    Files.createDirectories(cache);
    Path aside = cache.resolve(NAME + "." + UUID.randomUUID());
    try {
      unpack(aside);
      Files.move(aside, home, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException failed) {
      if (!Files.exists(home.resolve("bin/postgres"))) {
        throw failed;
      }
    } finally {
      Trees.delete(aside);
    }
    return home;
  }

  private static void unpack(Path into) throws IOException {
    String resource = "/postgres-linux-%s.txz".formatted(architecture());
    InputStream packed = PostgresBinaries.class.getResourceAsStream(resource);
    if (packed == null) {
      throw new Refusal.Unavailable(
          "embedded_postgres",
          "no PostgreSQL for this machine (%s %s) in this release; give --database-url"
              .formatted(System.getProperty("os.name"), System.getProperty("os.arch")),
          Duration.ofSeconds(1));
    }
    try (TarArchiveInputStream tar =
        new TarArchiveInputStream(
            new XZInputStream(new BufferedInputStream(packed, BUFFER_BYTES)))) {
      for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
        Path path = into.resolve(entry.getName()).normalize();
        if (!path.startsWith(into)) {
          throw new IOException("an entry leaves the archive: " + entry.getName());
        }
        if (entry.isDirectory()) {
          Files.createDirectories(path);
        } else if (entry.isSymbolicLink()) {
          Files.createDirectories(path.resolveSibling("."));
          Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
        } else {
          Files.createDirectories(path.resolveSibling("."));
          Files.copy(tar, path);
          Files.setPosixFilePermissions(
              path,
              PosixFilePermissions.fromString(
                  (entry.getMode() & EXECUTABLE) != 0 ? "rwxr-xr-x" : "rw-r--r--"));
        }
      }
    }
  }

  private static String architecture() {
    String name = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
    return switch (name) {
      case "amd64", "x86_64" -> "x86_64";
      case "aarch64", "arm64" -> "arm_64";
      default -> name;
    };
  }
}
