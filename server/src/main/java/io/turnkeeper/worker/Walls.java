package io.turnkeeper.worker;

import java.nio.file.Path;
import java.util.List;

/**
 * What keeps each worker of a replica to itself.
 *
 * @param network whether workers may use the machine's network at all
 * @param readPaths what a worker in the sandbox may read besides the system
 * @param firstUid a server that is root starts each conversation's worker as a user id of its own,
 *     from this one on; 0: as itself
 */
public record Walls(
    Mode sandbox, boolean network, List<Path> readPaths, int firstUid, Limits limits) {

  public Walls {
    readPaths = List.copyOf(readPaths);
  }

  /** What closes workers in. */
  public enum Mode {
    /** Bubblewrap, where it works. */
    AUTO,
    /** Bubblewrap, or nothing is started. */
    BUBBLEWRAP,
    /** Nothing. */
    NONE
  }

  /**
   * What one worker may take with all its processes; 0 is all there is.
   *
   * @param memory bytes
   * @param cpus whole processors; held only where systemd can
   * @param processes processes and threads
   * @param openFiles of one process
   * @param disk bytes of HOME and temporary files
   */
  public record Limits(long memory, int cpus, int processes, int openFiles, long disk) {
    public static final Limits NONE = new Limits(0, 0, 0, 0, 0);

    /** The tighter of the two. */
    Limits memoryAtMost(long bytes) {
      boolean tighter = bytes > 0 && (memory == 0 || bytes < memory);
      return tighter ? new Limits(bytes, cpus, processes, openFiles, disk) : this;
    }
  }

  /** No sandbox and no limits. */
  public static Walls none() {
    return new Walls(Mode.NONE, true, List.of(), 0, Limits.NONE);
  }
}
