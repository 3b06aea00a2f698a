package io.turnkeeper.worker;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A systemd scope for each worker: a control group that holds all its processes to memory,
 * processors and number, whatever they do.
 */
record Scope(Path systemdRun, boolean ofUser) {
  private static final Path BOOTED = Path.of("/run/systemd/system");
  private static final String RUNTIME = "XDG_RUNTIME_DIR";
  private static final int PERCENT = 100;

  /** When systemd runs this machine. Whether it does what it is asked is for a try to show. */
  static Optional<Scope> of(Programs.Found programs, boolean root) {
    return programs
        .systemdRun()
        .filter(_ -> Files.isDirectory(BOOTED))
        .filter(_ -> root || System.getenv(RUNTIME) != null)
        .map(program -> new Scope(program, !root));
  }

  /** The words to put before the program; the scope is made, then the program takes its place. */
  List<String> before(String name, Walls.Limits limits) {
    List<String> words = new ArrayList<>();
    words.add(systemdRun.toString());
    if (ofUser) {
      words.add("--user");
    }
    words.addAll(List.of("--quiet", "--scope", "--collect", "--unit=turnkeeper-" + name));
    if (limits.memory() > 0) {
      words.add("--property=MemoryMax=" + limits.memory());
      words.add("--property=MemorySwapMax=0");
    }
    if (limits.processes() > 0) {
      words.add("--property=TasksMax=" + (limits.processes() + Starter.SPARE_PROCESSES));
    }
    if (limits.cpus() > 0) {
      words.add("--property=CPUQuota=" + limits.cpus() * PERCENT + "%");
    }
    words.add("--");
    if (ofUser) {
      // For systemd-run alone: it leads to the user's other services.
      words.addAll(List.of("/usr/bin/env", "-u", RUNTIME));
    }
    return words;
  }

  /** What systemd-run itself has to know. */
  Map<String, String> environment() {
    String runtime = System.getenv(RUNTIME);
    return ofUser && runtime != null ? Map.of(RUNTIME, runtime) : Map.of();
  }
}
