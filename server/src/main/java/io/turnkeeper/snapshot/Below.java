package io.turnkeeper.snapshot;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.util.Set;

/**
 * Opens files that an agent may be changing. A path is no promise then: a directory on the way may
 * have become a link to another conversation's files since it was looked at.
 */
final class Below {
  private Below() {}

  /**
   * Reads a file without following any link below the root. One that is not below it is the
   * server's own.
   *
   * @throws NoSuchFileException also when there is a link on the way
   */
  static InputStream open(Path root, Path file) throws IOException {
    if (!file.startsWith(root) || file.equals(root)) {
      return Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS);
    }
    Path way = root.relativize(file);
    DirectoryStream<Path> at = Files.newDirectoryStream(root);
    try {
      for (int i = 0; i < way.getNameCount() - 1; i++) {
        DirectoryStream<Path> next =
            secure(at).newDirectoryStream(way.getName(i), LinkOption.NOFOLLOW_LINKS);
        at.close();
        at = next;
      }
      return Channels.newInputStream(
          secure(at)
              .newByteChannel(
                  way.getFileName(), Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)));
    } catch (AccessDeniedException | NoSuchFileException as) {
      throw as;
    } catch (FileSystemException notWhatItWas) {
      throw new NoSuchFileException(file.toString(), null, notWhatItWas.getReason());
    } finally {
      at.close();
    }
  }

  private static SecureDirectoryStream<Path> secure(DirectoryStream<Path> directory)
      throws IOException {
    if (directory instanceof SecureDirectoryStream<Path> secure) {
      return secure;
    }
    throw new IOException("this file system cannot be read without following links");
  }
}
