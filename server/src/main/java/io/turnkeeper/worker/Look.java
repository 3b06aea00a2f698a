package io.turnkeeper.worker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a process sees from inside.
 *
 * @param uid its user
 * @param namespaces of each kind, the one that it is in
 * @param processes how many it sees
 * @param files that it has open, other than its three streams
 * @param environment the names of its variables
 * @param can what it could do: write to /usr, see a directory that is not its own, write to HOME
 * @param limits the lines of its limits
 * @param whole whether it got to its end
 */
record Look(
    int uid,
    Map<String, String> namespaces,
    int processes,
    Set<Integer> files,
    Set<String> environment,
    Set<String> can,
    List<String> limits,
    boolean whole) {

  private static final List<String> NAMESPACES = List.of("pid", "mnt", "ipc", "net");

  static Look parse(List<String> lines) {
    int uid = -1;
    int processes = 0;
    Map<String, String> namespaces = new HashMap<>();
    Set<Integer> files = new TreeSet<>();
    Set<String> environment = new TreeSet<>();
    Set<String> can = new TreeSet<>();
    List<String> limits = new ArrayList<>();
    boolean whole = false;
    for (String line : lines) {
      String[] words = line.split(" ", 3);
      switch (words[0]) {
        case "uid" -> uid = Integer.parseInt(words[1]);
        case "processes" -> processes = Integer.parseInt(words[1]);
        case "ns" -> namespaces.put(words[1], words.length > 2 ? words[2] : "");
        case "fd" -> files.add(Integer.parseInt(words[1]));
        case "env" -> environment.add(words[1]);
        case "writes", "sees" -> can.add(words[0] + " " + words[1]);
        case "limit" -> limits.add(line.substring("limit ".length()));
        case "end" -> whole = true;
        default -> {} // what a shell has to say besides
      }
    }
    return new Look(uid, namespaces, processes, files, environment, can, limits, whole);
  }

  static Look ofThisProcess() {
    Map<String, String> namespaces = new HashMap<>();
    for (String name : NAMESPACES) {
      try {
        namespaces.put(name, Files.readSymbolicLink(Path.of("/proc/self/ns", name)).toString());
      } catch (IOException none) {
        namespaces.put(name, "");
      }
    }
    return new Look(Limit.uid(), namespaces, 0, Set.of(), Set.of(), Set.of(), List.of(), true);
  }

  /** Whether it has a namespace of its own. */
  boolean apart(String namespace, Look from) {
    String own = namespaces.getOrDefault(namespace, "");
    return !own.isEmpty() && !own.equals(from.namespaces.get(namespace));
  }

  boolean isClosed(Look from) {
    return apart("pid", from)
        && apart("mnt", from)
        && apart("ipc", from)
        && can.contains("writes home")
        && !writesSystem()
        && !seesOthers();
  }

  boolean writesSystem() {
    return can.contains("writes /usr");
  }

  boolean seesOthers() {
    return can.stream().anyMatch(it -> it.startsWith("sees "));
  }

  String limit(String name) {
    return limits.stream()
        .filter(line -> line.startsWith(name))
        .map(line -> line.substring(name.length()).strip().split("\\s+")[0])
        .findFirst()
        .orElse("");
  }
}
