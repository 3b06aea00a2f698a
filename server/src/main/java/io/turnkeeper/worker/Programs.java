package io.turnkeeper.worker;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** Finds programs, and says in words why one cannot be run, before anything is started. */
final class Programs {
  static final String DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

  private Programs() {}

  /**
   * What of the system workers are started with.
   *
   * @param setsid makes each worker the leader of its own session, in place: its pid is its group's
   * @param prlimit limits files, and processes where they are the worker's own
   * @param choom makes the worker the first to go when the machine runs out of memory
   * @param setpriv makes it another user
   * @param bwrap closes it in
   * @param systemdRun holds it to memory and processors
   */
  record Found(
      Path setsid,
      Optional<Path> prlimit,
      Optional<Path> choom,
      Optional<Path> setpriv,
      Optional<Path> bwrap,
      Optional<Path> systemdRun) {}

  /**
   * @throws IllegalStateException when the machine lacks setsid; says what to install
   */
  static Found find() {
    return new Found(
        find("setsid")
            .orElseThrow(() -> new IllegalStateException("setsid is missing: install util-linux")),
        find("prlimit"),
        find("choom"),
        find("setpriv"),
        find("bwrap"),
        find("systemd-run"));
  }

  /** The server's own, which its workers get. */
  static String path() {
    return System.getenv().getOrDefault("PATH", DEFAULT_PATH);
  }

  private static Optional<Path> find(String name) {
    return search(name, path()).or(() -> search(name, DEFAULT_PATH));
  }

  /** The program that this command would run. */
  static Path resolve(WorkerSpec spec, Map<String, String> env) throws WorkerFailure {
    String program = spec.command().getFirst();
    if (program.contains("/")) {
      Path path = spec.workDir().resolve(program);
      if (!Files.exists(path)) {
        throw new WorkerFailure("command_not_found", "the agent's command does not exist: " + path);
      }
      if (Files.isDirectory(path) || !Files.isExecutable(path)) {
        throw new WorkerFailure(
            "command_not_executable",
            "the agent's command cannot be executed: "
                + path
                + (Files.isDirectory(path) ? " is a directory" : " (chmod +x it)"));
      }
      return path;
    }
    String path = env.getOrDefault("PATH", DEFAULT_PATH);
    return search(program, path)
        .orElseThrow(() ->
            new WorkerFailure(
                "command_not_found",
                "the agent's command is not on PATH: "
                    + program
                    + "; install it on every replica, or give its absolute path"));
  }

  private static Optional<Path> search(String program, String path) {
    for (String dir : path.split(File.pathSeparator)) {
      if (!dir.isEmpty()) {
        Path candidate = Path.of(dir, program);
        if (Files.isExecutable(candidate) && !Files.isDirectory(candidate)) {
          return Optional.of(candidate);
        }
      }
    }
    return Optional.empty();
  }
}
