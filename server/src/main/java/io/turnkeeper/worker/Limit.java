package io.turnkeeper.worker;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** What the system allows this process, as /proc tells it. */
final class Limit {
  private static final Path SELF = Path.of("/proc/self");

  private Limit() {}

  /** The hard limit of that name in /proc/self/limits; the largest number when there is none. */
  static long hard(String name) {
    try {
      for (String line : Files.readAllLines(SELF.resolve("limits"), StandardCharsets.US_ASCII)) {
        if (line.startsWith(name)) {
          String hard = line.substring(name.length()).strip().split("\\s+")[1];
          return hard.equals("unlimited") ? Long.MAX_VALUE : Long.parseLong(hard);
        }
      }
    } catch (IOException | RuntimeException unreadable) {
      return Long.MAX_VALUE;
    }
    return Long.MAX_VALUE;
  }

  static boolean isRoot() {
    return uid() == 0;
  }

  static int uid() {
    try {
      return (int) Files.getAttribute(SELF, "unix:uid");
    } catch (IOException | RuntimeException unreadable) {
      return -1;
    }
  }

  static boolean kernelAtLeast(int major, int minor) {
    List<Integer> parts =
        Arrays.stream(System.getProperty("os.version", "0.0").split("[^0-9]+"))
            .filter(part -> !part.isEmpty())
            .map(Integer::parseInt)
            .toList();
    return parts.size() >= 2
        && (parts.get(0) > major || parts.get(0) == major && parts.get(1) >= minor);
  }
}
