package io.turnkeeper.worker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Says which walls hold on this machine: by starting a worker in them and looking from inside. */
final class Doctor {
  /**
   * What a worker's environment holds without an agent's variables; PWD, SHLVL, _ are a shell's.
   */
  private static final Set<String> OWN_VARIABLES =
      Set.of("PATH", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_");

  private static final Path USERNS_APPARMOR =
      Path.of("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  private static final Path USERNS_DEBIAN = Path.of("/proc/sys/kernel/unprivileged_userns_clone");
  private static final Path USERNS_MAX = Path.of("/proc/sys/user/max_user_namespaces");

  private final Walls walls;
  private final Path data;

  Doctor(Walls walls, Path data) {
    this.walls = walls;
    this.data = data;
  }

  List<Wall> examine() {
    Programs.Found programs;
    try {
      programs = Programs.find();
    } catch (IllegalStateException missing) {
      return List.of(
          Wall.missing(
              "process_groups",
              "setsid is missing: no worker can be started",
              "install util-linux"));
    }
    Probe probe = new Probe(programs, walls, data);
    Probe.Found found = probe.run();
    Starter starter = found.starter();
    Optional<Look> seen = found.inside().or(() -> probe.attempt(starter, true).look());
    List<Wall> all = new ArrayList<>();
    all.add(Wall.holds("process_groups", "each worker leads a session of its own"));
    all.add(sandbox(starter, found.whyNot()));
    if (seen.isEmpty()) {
      all.add(
          Wall.missing("a_try", "no worker could be started to look from inside", "report this"));
      return all;
    }
    Look inside = seen.get();
    Look here = Look.ofThisProcess();
    String closed = starter.sandbox().isPresent() ? "" : "needs the sandbox";
    all.add(apart("own_processes", "pid", inside, here, closed));
    all.add(apart("own_mounts", "mnt", inside, here, closed));
    all.add(apart("own_ipc", "ipc", inside, here, closed));
    all.add(
        inside.writesSystem()
            ? Wall.missing("read_only_system", "a worker can write to /usr", closed)
            : Wall.holds("read_only_system", "a worker cannot write to /usr"));
    all.add(
        inside.seesOthers()
            ? Wall.missing("own_files", "a worker sees what other conversations keep", closed)
            : Wall.holds("own_files", "a worker sees its HOME, and no other's"));
    all.add(network(probe, starter, here));
    all.add(user(starter, inside, here));
    all.addAll(limits(programs, starter, inside, found.whyNoScope()));
    all.add(environment(inside));
    all.add(
        inside.files().isEmpty()
            ? Wall.holds("no_open_files", "a worker inherits its three streams and no other file")
            : Wall.missing("no_open_files", "it inherits " + inside.files(), "report this"));
    return all;
  }

  private Wall sandbox(Starter starter, String whyNot) {
    if (starter.sandbox().isPresent()) {
      return Wall.holds(
          "sandbox",
          switch (starter.sandbox().get().kind()) {
            case OWN_USER -> "bubblewrap, made by root";
            case ROOT -> "bubblewrap, made by root, and the worker is root without capabilities";
            case USER_NAMESPACE -> "bubblewrap, in a user namespace";
          });
    }
    if (walls.sandbox() == Walls.Mode.NONE) {
      return Wall.missing("sandbox", "worker.sandbox is none", "set worker.sandbox to auto");
    }
    return Wall.missing("sandbox", whyNot, sandboxTodo());
  }

  private static String sandboxTodo() {
    if (Programs.find().bwrap().isEmpty()) {
      return "apt-get install bubblewrap, or dnf install bubblewrap; 0.8 or later";
    }
    if (is(USERNS_APPARMOR, "1")) {
      return "AppArmor refuses user namespaces: give /usr/bin/bwrap a profile that allows userns, or"
          + " sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    }
    if (is(USERNS_DEBIAN, "0")) {
      return "sysctl kernel.unprivileged_userns_clone=1";
    }
    if (is(USERNS_MAX, "0")) {
      return "sysctl user.max_user_namespaces=10000";
    }
    return "in a container, allow user namespaces (a seccomp profile that allows clone and mount, an"
        + " unmasked /proc), or let the container be the wall: one installation for each trust"
        + " domain; bubblewrap must be 0.8 or later";
  }

  private static boolean is(Path file, String value) {
    try {
      return Files.readString(file).strip().equals(value);
    } catch (IOException none) {
      return false;
    }
  }

  private static Wall apart(String name, String namespace, Look inside, Look here, String todo) {
    return inside.apart(namespace, here)
        ? Wall.holds(name, "a namespace of its own")
        : Wall.missing(name, "the machine's", todo.isEmpty() ? "report this" : todo);
  }

  private static Wall network(Probe probe, Starter starter, Look here) {
    if (starter.sandbox().isEmpty()) {
      return Wall.missing(
          "no_network", "agents cannot be kept from the network", "needs the sandbox");
    }
    Probe.Tried tried = probe.attempt(starter, false);
    return tried.look().filter(it -> it.apart("net", here)).isPresent()
        ? Wall.holds("no_network", "an agent with network none reaches nothing but itself")
        : Wall.missing(
            "no_network",
            "a worker without network does not start: " + tried.why(),
            "allow network namespaces; agents with network host do work");
  }

  private Wall user(Starter starter, Look inside, Look here) {
    if (inside.uid() != here.uid()) {
      return Wall.holds("own_user", "each conversation's worker is a user of its own");
    }
    String todo =
        here.uid() != 0
            ? "run the server as root with the sandbox, to let it give each worker a user"
            : starter.sandbox().isEmpty()
                ? "needs the sandbox"
                : walls.firstUid() == 0
                    ? "set worker.first-uid"
                    : "let the server's root change users: CAP_SETUID, CAP_SETGID, CAP_CHOWN";
    return Wall.missing("own_user", "workers are the server's user", todo);
  }

  private List<Wall> limits(
      Programs.Found programs, Starter starter, Look inside, String whyNoScope) {
    List<Wall> all = new ArrayList<>();
    String todo =
        whyNoScope.isEmpty()
            ? "needs a machine that systemd runs"
            : whyNoScope + "; run the server as a systemd service of root, or of a lingering user";
    boolean scope = starter.scope().isPresent();
    all.add(
        scope
            ? Wall.holds("memory", "held by a systemd scope for each worker")
            : Wall.missing(
                "memory", "looked at twice a second, and ended above worker.memory", todo));
    all.add(
        scope || walls.limits().cpus() == 0
            ? Wall.holds(
                "cpu",
                walls.limits().cpus() == 0
                    ? "workers give way to the server; worker.cpus sets no other limit"
                    : "held by a systemd scope for each worker")
            : Wall.missing("cpu", "worker.cpus cannot be held", todo));
    all.add(
        scope || starter.countsProcesses()
            ? Wall.holds("processes", "held by the system to " + inside.limit("Max processes"))
            : Wall.missing(
                "processes",
                "looked at twice a second, and ended above worker.processes",
                "needs the sandbox in a user namespace (Linux 5.14), or with own users, or systemd"));
    all.add(
        programs.prlimit().isPresent()
            ? Wall.holds(
                "files",
                "%s open ones, the largest %s bytes"
                    .formatted(inside.limit("Max open files"), inside.limit("Max file size")))
            : Wall.missing("files", "prlimit is missing", "install util-linux"));
    all.add(
        programs.choom().isPresent()
            ? Wall.holds("first_to_go", "when memory runs out, workers go before the server")
            : Wall.missing("first_to_go", "choom is missing", "install util-linux 2.33 or later"));
    all.add(
        walls.limits().disk() > 0
            ? Wall.holds("disk", "counted every two seconds or more, and ended above worker.disk")
            : Wall.missing("disk", "not limited", "set worker.disk"));
    return all;
  }

  private static Wall environment(Look inside) {
    Set<String> foreign = new TreeSet<>(inside.environment());
    foreign.removeAll(OWN_VARIABLES);
    foreign.removeIf(name -> !System.getenv().containsKey(name));
    return foreign.isEmpty()
        ? Wall.holds("environment", "a worker sees none of the server's variables")
        : Wall.missing("environment", "it sees " + foreign, "report this");
  }
}
