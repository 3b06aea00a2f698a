package io.turnkeeper.worker;

import java.nio.file.Path;

/** Where a worker finds what is its own; in a sandbox not where it is on the disk. */
record Room(Path home, Path workDir, Path tmp) {
  private static final Path ROOT = Path.of("/");
  private static final Path HOME = Path.of("/home/agent");
  private static final Path WORK = Path.of("/work");
  private static final Path TMP = Path.of("/tmp");

  /** As it is on the disk. */
  static Room of(WorkerSpec spec) {
    // Beside HOME, not in it: what is temporary is not part of a snapshot.
    Path tmp = spec.home().resolveSibling(spec.home().getFileName() + ".tmp");
    return new Room(spec.home(), spec.workDir(), tmp);
  }

  /** As it is seen in a sandbox: the same on every replica. */
  static Room inside(WorkerSpec spec) {
    return spec.workDir().startsWith(spec.home())
        ? new Room(HOME, HOME.resolve(spec.home().relativize(spec.workDir())), TMP)
        : new Room(HOME, WORK, TMP);
  }

  /** With HOME where it has to be for the working directory to be there. */
  Room withWorkDir(Path wanted) {
    int below = home.relativize(workDir).getNameCount();
    Path above = ROOT.resolve(wanted.subpath(0, wanted.getNameCount() - below));
    return new Room(above, wanted, tmp);
  }

  /** Whether HOME can be moved so that the working directory is there. */
  boolean fits(Path wanted) {
    return workDir.startsWith(home)
        && !workDir.equals(home)
        && wanted.isAbsolute()
        && wanted.normalize().equals(wanted)
        && wanted.endsWith(home.relativize(workDir))
        && wanted.getNameCount() > home.relativize(workDir).getNameCount();
  }

  /** Where the worker finds what is there on the disk. */
  Path seen(Path onDisk, Room disk) {
    if (onDisk.startsWith(disk.workDir)) {
      return workDir.resolve(disk.workDir.relativize(onDisk));
    }
    return onDisk.startsWith(disk.home) ? home.resolve(disk.home.relativize(onDisk)) : onDisk;
  }
}
