package io.turnkeeper.worker;

import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Closes a worker in: it sees the system's programs, to read, and what is its own, to write; no
 * other conversation's files, no other process, nothing of the replica's.
 */
final class Bubblewrap {
  private static final List<Path> SYSTEM =
      List.of(
          Path.of("/usr"),
          Path.of("/bin"),
          Path.of("/sbin"),
          Path.of("/lib"),
          Path.of("/lib32"),
          Path.of("/lib64"),
          Path.of("/libx32"),
          Path.of("/etc"),
          Path.of("/opt"),
          Path.of("/nix/store"),
          Path.of("/gnu/store"),
          Path.of("/var/lib/ca-certificates"));

  private static final Path ETC = Path.of("/etc");
  private static final Path RESOLVER = Path.of("/etc/resolv.conf");
  private static final Path PASSWD = Path.of("/etc/passwd");
  private static final Set<PosixFilePermission> PASSWD_MODE =
      PosixFilePermissions.fromString("rw-r--r--");

  /** As much as container runtimes give; it is memory that belongs to no process. */
  private static final String SHARED_MEMORY_BYTES = Integer.toString(64 << 20);

  private static final int UIDS = 30_000;

  /** So that another user can open /dev/stdin and its like too. Never what is no pipe. */
  private static final String GIVE_PIPES =
      "for f in 0 1 2; do if [ -p /proc/self/fd/$f ]; then chown \"$0\" /proc/self/fd/$f; fi; done;"
          + " exec \"$@\"";

  /** By what right the sandbox is made. */
  enum Kind {
    /** By root, and each conversation's worker is a user of its own. */
    OWN_USER,
    /** By root, which the worker stays, without a capability. */
    ROOT,
    /** In a user namespace, which needs no right. */
    USER_NAMESPACE
  }

  private final Path bwrap;
  private final Path setpriv;
  private final Kind kind;
  private final int firstUid;
  private final Path data;
  private final List<Path> shown;
  private final List<Path> hidden;

  /**
   * @param data is hidden, wherever it is
   */
  Bubblewrap(Programs.Found programs, Kind kind, Walls walls, Path data) {
    this.bwrap = programs.bwrap().orElseThrow();
    this.setpriv = programs.setpriv().orElse(bwrap);
    this.kind = kind;
    this.firstUid = walls.firstUid();
    this.data = data.toAbsolutePath().normalize();
    this.shown = shown(walls.readPaths());
    this.hidden = kind == Kind.OWN_USER ? List.of() : onlyOurs();
  }

  Kind kind() {
    return kind;
  }

  /** The user id of the conversation's worker, when it gets one of its own. */
  int uid(WorkerSpec spec) {
    return firstUid + (int) Math.floorMod(spec.reach().number(), UIDS);
  }

  /** Whether the worker sees what is there. */
  boolean shows(Path path) {
    return shown.stream().anyMatch(path::startsWith) && !path.startsWith(data)
        || path.startsWith(data) && shown.stream().anyMatch(p -> within(p) && path.startsWith(p));
  }

  List<Path> shown() {
    return shown;
  }

  /** Where HOME and the others are for the worker; the session's old place, where that is free. */
  Room room(WorkerSpec spec, @Nullable String previousCwd) {
    Room room = Room.inside(spec);
    if (previousCwd == null) {
      return room;
    }
    Path wanted = Path.of(previousCwd);
    boolean free =
        room.fits(wanted)
            && shown.stream().noneMatch(wanted::startsWith)
            && List.of("proc", "dev", "tmp", "sys").stream()
                .noneMatch(top -> wanted.startsWith("/" + top));
    return free ? room.withWorkDir(wanted) : room;
  }

  /** The words to put before the program. */
  List<String> before(WorkerSpec spec, Room room, boolean network) {
    Words words = new Words();
    if (kind == Kind.OWN_USER) {
      words.add("/bin/sh", "-c", GIVE_PIPES, Integer.toString(uid(spec)));
    }
    words.add(bwrap.toString());
    // The signal follows the thread that starts it: see Spawner.
    words.add("--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts");
    words.add("--unshare-cgroup-try");
    if (kind == Kind.USER_NAMESPACE) {
      words.add("--unshare-user");
    }
    if (kind == Kind.OWN_USER) {
      words.add("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID");
    }
    if (!network) {
      words.add("--unshare-net");
    }
    // First: what else is shown may be below it.
    words.add("--bind", Room.of(spec).tmp().toString(), room.tmp().toString());
    words.add("--perms", "0755", "--dir", "/var", "--symlink", "/tmp", "/var/tmp");
    system(words);
    own(words, spec, room);
    words.add("--remount-ro", "/dev", "--remount-ro", "/", "--");
    if (kind == Kind.OWN_USER) {
      String uid = Integer.toString(uid(spec));
      words.add(setpriv.toString(), "--reuid", uid, "--regid", uid);
      words.add("--clear-groups", "--inh-caps=-all", "--");
    }
    return words.list;
  }

  private void system(Words words) {
    for (Path path : shown) {
      if (!within(path)) {
        show(words, path);
      }
    }
    if (shown.stream().anyMatch(data::startsWith) && Files.isDirectory(data)) {
      words.add("--tmpfs", data.toString());
    }
    for (Path path : shown) {
      if (within(path)) {
        show(words, path);
      }
    }
    if (shown.stream().anyMatch(data::startsWith) && Files.isDirectory(data)) {
      words.add("--remount-ro", data.toString());
    }
    for (Path path : hidden) {
      if (Files.isDirectory(path)) {
        words.add("--tmpfs", path.toString(), "--remount-ro", path.toString());
      } else {
        words.add("--ro-bind", "/dev/null", path.toString());
      }
    }
    Path resolver = real(RESOLVER);
    if (!shows(resolver) && Files.exists(resolver)) {
      parents(words, resolver);
      words.add("--ro-bind", resolver.toString(), resolver.toString());
    }
    words.add("--proc", "/proc", "--dev", "/dev");
    words.add("--perms", "1777", "--size", SHARED_MEMORY_BYTES, "--tmpfs", "/dev/shm");
  }

  private static void show(Words words, Path path) {
    parents(words, path);
    if (Files.isSymbolicLink(path)) {
      try {
        words.add("--symlink", Files.readSymbolicLink(path).toString(), path.toString());
      } catch (IOException gone) {
        words.add("--ro-bind-try", path.toString(), path.toString());
      }
    } else {
      words.add("--ro-bind-try", path.toString(), path.toString());
    }
  }

  private void own(Words words, WorkerSpec spec, Room room) {
    Room disk = Room.of(spec);
    Path readable = spec.reach().readable();
    if (readable != null) {
      parents(words, readable);
      words.add("--ro-bind", readable.toString(), readable.toString());
    }
    parents(words, room.home());
    words.add("--bind", disk.home().toString(), room.home().toString());
    if (!disk.workDir().startsWith(disk.home())) {
      words.add("--bind", disk.workDir().toString(), room.workDir().toString());
    }
    if (kind == Kind.OWN_USER) {
      words.add("--ro-bind", passwd(uid(spec)).toString(), PASSWD.toString());
    }
    words.add("--chdir", room.workDir().toString());
  }

  /** Many programs ask who they are, and give up when nobody knows. */
  private Path passwd(int uid) {
    Path file = data.resolve("sandbox").resolve("passwd-" + uid);
    if (!Files.exists(file)) {
      try {
        Files.createDirectories(file.getParent());
        Path next = Files.createTempFile(file.getParent(), "passwd", "");
        Files.writeString(
            next,
            "root:x:0:0:root:/:/bin/sh\nagent:x:%d:%d:agent:/home/agent:/bin/sh\n"
                .formatted(uid, uid));
        Files.setPosixFilePermissions(next, PASSWD_MODE);
        Files.move(next, file, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException failed) {
        throw new java.io.UncheckedIOException(failed);
      }
    }
    return file;
  }

  private boolean within(Path path) {
    return path.startsWith(data);
  }

  /** Others than root may look into what has to be made on the way. */
  private static void parents(Words words, Path path) {
    Path above = path.getParent();
    if (above != null && above.getNameCount() > 0) {
      parents(words, above);
      words.add("--perms", "0755", "--dir", above.toString());
    }
  }

  // ---- what is shown

  private static List<Path> shown(List<Path> more) {
    Set<Path> paths = new LinkedHashSet<>();
    for (Path path : SYSTEM) {
      if (Files.exists(path)) {
        paths.add(path);
      }
    }
    add(paths, Path.of(System.getProperty("java.home")));
    for (String entry : Programs.path().split(File.pathSeparator)) {
      Path path = Path.of(entry);
      if (path.isAbsolute() && Files.isDirectory(path)) {
        add(paths, path);
        add(paths, path.resolveSibling("lib")); // what the programs there are made of
      }
    }
    more.forEach(path -> add(paths, path));
    return List.copyOf(paths);
  }

  private static void add(Set<Path> paths, Path path) {
    Path plain = path.normalize();
    if (plain.getNameCount() > 0
        && Files.exists(plain)
        && paths.stream().noneMatch(plain::startsWith)) {
      paths.add(plain);
    }
  }

  /** What in /etc is for this server's user and not for everybody: a worker is the same user. */
  private static List<Path> onlyOurs() {
    List<Path> found = new ArrayList<>();
    try {
      Files.walkFileTree(
          ETC,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes)
                throws IOException {
              if (forAll(dir, PosixFilePermission.OTHERS_EXECUTE)) {
                return FileVisitResult.CONTINUE;
              }
              found.add(dir);
              return FileVisitResult.SKIP_SUBTREE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              if (attributes.isRegularFile()
                  && !forAll(file, PosixFilePermission.OTHERS_READ)
                  && Files.isReadable(file)) {
                found.add(file);
              }
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException failed) {
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException unreadable) {
      return List.copyOf(found);
    }
    return List.copyOf(found);
  }

  private static boolean forAll(Path path, PosixFilePermission permission) throws IOException {
    return Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS).contains(permission);
  }

  private static Path real(Path path) {
    try {
      return path.toRealPath();
    } catch (IOException missing) {
      return path;
    }
  }

  private static final class Words {
    private final List<String> list = new ArrayList<>();

    void add(String... more) {
      list.addAll(Arrays.asList(more));
    }
  }
}
