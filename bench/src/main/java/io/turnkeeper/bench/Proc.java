package io.turnkeeper.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Linux says of a process. */
final class Proc {
  private static final Pattern RESIDENT = Pattern.compile("VmRSS:\\s*(\\d+) kB");
  private static final double TICKS_PER_SECOND = 100;
  private static final int USER_TICKS = 11;

  private Proc() {}

  static long residentBytes(long pid) {
    Matcher found = RESIDENT.matcher(read(pid, "status"));
    return found.find() ? Long.parseLong(found.group(1)) * 1024 : 0;
  }

  static double processorSeconds(long pid) {
    String stat = read(pid, "stat");
    // Behind the name, which may hold anything.
    String[] fields = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", -1);
    return (Long.parseLong(fields[USER_TICKS]) + Long.parseLong(fields[USER_TICKS + 1]))
        / TICKS_PER_SECOND;
  }

  private static String read(long pid, String file) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(pid), file));
    } catch (IOException gone) {
      throw new IllegalStateException("process " + pid + " is gone", gone);
    }
  }
}
