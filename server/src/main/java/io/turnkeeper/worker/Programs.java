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

  /** setsid makes each worker the leader of its own session, in place: its pid is its group's. */
  static Optional<Path> setsid() {
    return search("setsid", System.getenv().getOrDefault("PATH", DEFAULT_PATH))
        .or(() -> search("setsid", DEFAULT_PATH));
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
