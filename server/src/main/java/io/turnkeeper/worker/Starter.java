package io.turnkeeper.worker;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How workers are started on this machine: within which walls, as the {@link Probe} found them. */
final class Starter {
  /**
   * Above the number at which a worker is ended with words: so that it is not held there for ever.
   */
  static final int SPARE_PROCESSES = 64;

  private static final String FIRST_TO_GO = "500";

  private final Programs.Found programs;
  private final Walls walls;
  private final Optional<Bubblewrap> sandbox;
  private final Optional<Scope> scope;

  Starter(
      Programs.Found programs, Walls walls, Optional<Bubblewrap> sandbox, Optional<Scope> scope) {
    this.programs = programs;
    this.walls = walls;
    this.sandbox = sandbox;
    this.scope = scope;
  }

  Optional<Bubblewrap> sandbox() {
    return sandbox;
  }

  Optional<Scope> scope() {
    return scope;
  }

  Walls.Limits limits(WorkerSpec spec) {
    return walls.limits().memoryAtMost(spec.reach().memoryMax());
  }

  /** Where the worker will find what is its own. */
  Room room(WorkerSpec spec, @Nullable String previousCwd) {
    return sandbox.map(it -> it.room(spec, previousCwd)).orElseGet(() -> Room.of(spec));
  }

  /**
   * Makes what is the worker's own.
   *
   * @param first nothing of it was there or it was put there by this server: it may have to be
   *     given to the worker's user
   */
  void furnish(WorkerSpec spec, boolean first) throws WorkerFailure {
    Room disk = Room.of(spec);
    try {
      for (Path directory : List.of(disk.home(), disk.workDir(), disk.tmp())) {
        if (sandbox.isPresent() && Files.isSymbolicLink(directory)) {
          Files.delete(directory); // of an agent without a sandbox: it could lead anywhere
        }
        Files.createDirectories(directory);
      }
      Path readable = spec.reach().readable();
      if (readable != null) {
        Files.createDirectories(readable);
      }
      if (sandbox.isPresent() && sandbox.get().kind() == Bubblewrap.Kind.OWN_USER) {
        int uid = sandbox.get().uid(spec);
        give(disk.tmp(), uid);
        if (first) {
          give(disk.home(), uid);
          give(disk.workDir(), uid);
          if (readable != null) {
            give(readable, uid);
          }
        }
      }
    } catch (IOException e) {
      throw new WorkerFailure(
          "worker_start_failed", "the conversation's directories cannot be made: " + e);
    }
  }

  /** Nobody works there meanwhile. Links are given, not followed. */
  private static void give(Path root, int uid) throws IOException {
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes)
              throws IOException {
            giveOne(dir, uid);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            giveOne(file, uid);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  private static void giveOne(Path path, int uid) throws IOException {
    try {
      Object owner = Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS);
      if (!owner.equals(uid)) {
        Files.setAttribute(path, "unix:gid", uid, LinkOption.NOFOLLOW_LINKS);
        Files.setAttribute(path, "unix:uid", uid, LinkOption.NOFOLLOW_LINKS);
      }
    } catch (NoSuchFileException gone) {
      return;
    }
  }

  /**
   * The whole command line.
   *
   * @param name tells this process from all others of the installation
   */
  List<String> command(WorkerSpec spec, Room room, Path program, String name) throws WorkerFailure {
    boolean network = walls.network() && spec.reach().network();
    if (!network && sandbox.isEmpty()) {
      throw new WorkerFailure(
          "sandbox_missing",
          "the agent is to have no network, and this replica has no sandbox to keep it from it:"
              + " see turnkeeper doctor there");
    }
    Walls.Limits limits = limits(spec);
    List<String> words = new ArrayList<>();
    words.add(programs.setsid().toString());
    scope.ifPresent(it -> words.addAll(it.before(name, limits)));
    programs.choom().ifPresent(it -> words.addAll(List.of(it.toString(), "-n", FIRST_TO_GO, "--")));
    if (sandbox.isPresent()) {
      words.addAll(sandbox.get().before(spec, room, network));
    }
    words.addAll(limited(limits));
    words.add(visible(program, spec, room).toString());
    words.addAll(spec.command().subList(1, spec.command().size()));
    return words;
  }

  private Path visible(Path program, WorkerSpec spec, Room room) throws WorkerFailure {
    Path seen = room.seen(program, Room.of(spec));
    if (sandbox.isEmpty() || !seen.equals(program)) {
      return seen;
    }
    if (!sandbox.get().shows(program) || !sandbox.get().shows(real(program))) {
      throw new WorkerFailure(
          "command_not_visible",
          "the agent's command is in %s, which the sandbox does not show: install it below /usr or"
                  .formatted(real(program).getParent())
              + " /opt, or name its directory in the setting worker.read-paths");
    }
    return seen;
  }

  private static Path real(Path path) {
    try {
      return path.toRealPath();
    } catch (IOException gone) {
      return path;
    }
  }

  private List<String> limited(Walls.Limits limits) {
    if (programs.prlimit().isEmpty()) {
      return List.of();
    }
    List<String> words = new ArrayList<>();
    words.add(programs.prlimit().get().toString());
    words.add("--core=0:0");
    if (limits.openFiles() > 0) {
      long most = Math.min(limits.openFiles(), Limit.hard("Max open files"));
      words.add("--nofile=" + most + ":" + most);
    }
    if (limits.disk() > 0) {
      long most = Math.min(limits.disk(), Limit.hard("Max file size"));
      words.add("--fsize=" + most + ":" + most);
    }
    if (limits.processes() > 0 && countsProcesses()) {
      long most = Math.min(limits.processes() + SPARE_PROCESSES, Limit.hard("Max processes"));
      words.add("--nproc=" + most + ":" + most);
    }
    words.add("--");
    return words;
  }

  /**
   * Whether the system's own limit of processes is the worker's alone. It counts by user; in a user
   * namespace by user there, since Linux 5.14. Root is not held to it.
   */
  boolean countsProcesses() {
    return sandbox
        .map(it ->
            switch (it.kind()) {
              case OWN_USER -> true;
              case ROOT -> false;
              case USER_NAMESPACE -> !Limit.isRoot() && Limit.kernelAtLeast(5, 14);
            })
        .orElse(false);
  }

  /** Of the walls, for the programs among them. */
  Map<String, String> environment(Room room) {
    Map<String, String> env = new HashMap<>();
    env.put("HOME", room.home().toString());
    env.put("TMPDIR", room.tmp().toString());
    scope.ifPresent(it -> env.putAll(it.environment()));
    return env;
  }
}
