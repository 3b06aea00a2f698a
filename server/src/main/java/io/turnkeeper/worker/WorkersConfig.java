package io.turnkeeper.worker;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Limits of all the workers of a replica.
 *
 * @param replica names this replica's processes on this machine; unique per server process
 * @param ttl the lease TTL: without a beat for two thirds of it, the warden kills every worker
 * @param cancelGrace between the protocol's cancel and TERM
 * @param termGrace between TERM and KILL
 * @param lineBytesMax a longer line of stdout is skipped, with a warning
 * @param stderrTailBytes how much of the end of stderr an error message may quote
 * @param at where the replica keeps its files; so a list of processes says whose a warden is. What
 *     is in there is hidden from workers in a sandbox, other than what is their own
 */
public record WorkersConfig(
    String replica,
    Duration ttl,
    Duration cancelGrace,
    Duration termGrace,
    int lineBytesMax,
    int stderrTailBytes,
    Path at,
    Walls walls) {

  private static final Duration GRACE = Duration.ofSeconds(5);

  /** Images travel as base64 in one line, so lines are large. */
  private static final int LINE_BYTES_MAX = 16 * 1024 * 1024;

  private static final int STDERR_TAIL_BYTES = 8 * 1024;

  public WorkersConfig {
    if (!replica.matches("[A-Za-z0-9-]{1,64}")) {
      throw new IllegalArgumentException("replica must be 1 to 64 letters, digits or dashes");
    }
    if (ttl.toMillis() < 300) {
      throw new IllegalArgumentException("ttl must be at least 300 ms");
    }
    if (lineBytesMax < 1024 || stderrTailBytes < 256) {
      throw new IllegalArgumentException("lines need 1 KiB at least, the stderr tail 256 bytes");
    }
  }

  public static WorkersConfig defaults(String replica, Duration ttl) {
    return of(replica, ttl, GRACE, GRACE);
  }

  public static WorkersConfig of(
      String replica, Duration ttl, Duration cancelGrace, Duration termGrace) {
    return new WorkersConfig(
        replica,
        ttl,
        cancelGrace,
        termGrace,
        LINE_BYTES_MAX,
        STDERR_TAIL_BYTES,
        Path.of(""),
        Walls.none());
  }

  public WorkersConfig at(Path data) {
    return new WorkersConfig(
        replica, ttl, cancelGrace, termGrace, lineBytesMax, stderrTailBytes, data, walls);
  }

  public WorkersConfig within(Walls wanted) {
    return new WorkersConfig(
        replica, ttl, cancelGrace, termGrace, lineBytesMax, stderrTailBytes, at, wanted);
  }
}
