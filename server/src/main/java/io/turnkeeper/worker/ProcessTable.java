package io.turnkeeper.worker;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** The machine's processes, from /proc. Used by the warden too: nothing but the JDK in here. */
final class ProcessTable {
  /** In the environment of every process of a worker: {@code <replica>.<number>}. */
  static final String MARKER = "TURNKEEPER_WORKER";

  private static final Path PROC = Path.of("/proc");
  private static final long PAGE_BYTES = 4096;

  /** New children can appear while the old ones are killed; each round finds those. */
  private static final int KILL_ROUNDS = 5;

  /** A leader is known by its pid and its start: a pid alone may be somebody else's by now. */
  record Leader(long pid, long startTicks) {}

  record Entry(
      long pid,
      char state,
      long parent,
      long group,
      int threads,
      long startTicks,
      long residentBytes) {}

  private ProcessTable() {}

  /** Empty when there is no such process. A zombie counts as none. */
  static Optional<Entry> find(long pid) {
    return read(PROC.resolve(Long.toString(pid))).filter(entry -> entry.state() != 'Z');
  }

  static List<Entry> all() {
    List<Entry> entries = new ArrayList<>();
    try (DirectoryStream<Path> dirs = Files.newDirectoryStream(PROC, "[0-9]*")) {
      dirs.forEach(dir -> read(dir).filter(e -> e.state() != 'Z').ifPresent(entries::add));
    } catch (IOException e) {
      throw new IllegalStateException("/proc cannot be read", e);
    }
    return entries;
  }

  private static Optional<Entry> read(Path dir) {
    try {
      String stat = Files.readString(dir.resolve("stat"), StandardCharsets.ISO_8859_1);
      // The name is in parentheses and may hold anything; fields count from behind it.
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
      return Optional.of(
          new Entry(
              Long.parseLong(dir.getFileName().toString()),
              fields[0].charAt(0),
              Long.parseLong(fields[1]),
              Long.parseLong(fields[2]),
              Integer.parseInt(fields[17]),
              Long.parseLong(fields[19]),
              Long.parseLong(fields[21]) * PAGE_BYTES));
    } catch (IOException | RuntimeException e) {
      return Optional.empty(); // gone meanwhile
    }
  }

  /**
   * Whether the process's environment holds the marker.
   *
   * @param prefix of the marker's value
   */
  private static boolean isMarked(Entry entry, String prefix) {
    try {
      byte[] environ = Files.readAllBytes(PROC.resolve(entry.pid() + "/environ"));
      return ("\0" + new String(environ, StandardCharsets.ISO_8859_1))
          .contains("\0" + MARKER + "=" + prefix);
    } catch (IOException e) {
      return false; // gone meanwhile, or another user's: then it is not ours
    }
  }

  /**
   * Kills the leaders' groups, and every process that carries the marker wherever it went. Never
   * kills a process that only got a dead worker's number.
   *
   * @param markerPrefix what the marker's value starts with; ends with its delimiter
   * @return how many processes it found
   */
  static int kill(List<Leader> leaders, String markerPrefix) {
    int killed = 0;
    long self = ProcessHandle.current().pid();
    for (int round = 0; round < KILL_ROUNDS; round++) {
      List<Entry> before = all();
      int found = 0;
      for (Leader leader : leaders) {
        found += ownsGroup(leader, before) ? killGroup(leader.pid(), before) : 0;
      }
      for (Entry entry : before) {
        if (entry.pid() != self && isMarked(entry, markerPrefix)) {
          Signals.toProcess(entry.pid(), Signals.KILL);
          found++;
        }
      }
      killed += round == 0 ? found : 0;
      if (found == 0) {
        break;
      }
    }
    return killed;
  }

  private static int killGroup(long group, List<Entry> table) {
    int members = (int) table.stream().filter(entry -> entry.group() == group).count();
    if (members > 0) {
      Signals.toGroup(group, Signals.KILL);
    }
    return members;
  }

  /**
   * A group's number stays taken while it has members. So it is the worker's while its leader
   * lives, and after the leader's death as long as nobody else has the leader's pid.
   */
  private static boolean ownsGroup(Leader leader, List<Entry> table) {
    return table.stream()
        .filter(entry -> entry.pid() == leader.pid())
        .allMatch(entry -> entry.startTicks() == leader.startTicks());
  }

  /**
   * The leader's group and whatever descends from it, the leader first. In a process namespace that
   * is all there is: orphans there fall to its first process, not to the machine's.
   */
  static List<Entry> family(long leader, List<Entry> table) {
    Map<Long, List<Entry>> children = new HashMap<>();
    Map<Long, Entry> family = new LinkedHashMap<>();
    Deque<Entry> toVisit = new ArrayDeque<>();
    for (Entry entry : table) {
      children.computeIfAbsent(entry.parent(), _ -> new ArrayList<>()).add(entry);
      if (entry.pid() == leader) {
        toVisit.addFirst(entry);
      } else if (entry.group() == leader) {
        toVisit.addLast(entry);
      }
    }
    while (!toVisit.isEmpty()) {
      Entry entry = toVisit.removeFirst();
      if (family.putIfAbsent(entry.pid(), entry) == null) {
        toVisit.addAll(children.getOrDefault(entry.pid(), List.of()));
      }
    }
    return List.copyOf(family.values());
  }

  static long residentBytes(long leader) {
    return family(leader, all()).stream().mapToLong(Entry::residentBytes).sum();
  }

  /**
   * The process's memory with its share of what it has in common with others: exact, and dearer
   * than what the table says. Empty when it is gone or may not be looked at.
   */
  static OptionalLong proportionalBytes(long pid) {
    try {
      for (String line :
          Files.readAllLines(PROC.resolve(pid + "/smaps_rollup"), StandardCharsets.ISO_8859_1)) {
        if (line.startsWith("Pss:")) {
          return OptionalLong.of(Long.parseLong(line.replaceAll("\\D", "")) * 1024);
        }
      }
    } catch (IOException | RuntimeException e) {
      return OptionalLong.empty();
    }
    return OptionalLong.empty();
  }
}
