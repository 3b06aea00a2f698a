package io.turnkeeper.config;

import io.turnkeeper.base.Refusal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Everything that can be set, checked: a value of this type cannot be wrong. Made by {@link
 * ConfigLoader}.
 *
 * @param data where a replica keeps what is its own: the embedded database, the workers' files
 * @param drainTimeout how long a graceful stop lets running runs finish
 * @param maxLeases conversations that this replica works on at once; 0 takes none
 */
public record Settings(
    Path data,
    Duration drainTimeout,
    int maxLeases,
    Http http,
    Database database,
    Lease lease,
    Worker worker,
    Remote remote,
    Snapshots snapshots,
    Events events,
    Webhook webhook,
    Secrets secrets,
    Log log) {

  /** A lease must outlive two lost heartbeats, or a hiccup would be a takeover. */
  private static final int HEARTBEATS_PER_TTL = 3;

  public Settings {
    if (lease.heartbeat().multipliedBy(HEARTBEATS_PER_TTL).compareTo(lease.ttl()) > 0) {
      throw wrong("lease.ttl", "lease.ttl must be at least three times lease.heartbeat");
    }
    if (lease.grace().compareTo(lease.ttl()) >= 0) {
      throw wrong("lease.grace", "lease.grace must be shorter than lease.ttl");
    }
    if (remote.deadline().compareTo(remote.tokenTtl()) > 0) {
      throw wrong("remote.token-ttl", "remote.token-ttl must be at least remote.deadline");
    }
    if (database.sessionUrl().isPresent() && database.url().isEmpty()) {
      throw wrong(
          "session-database-url", "session-database-url goes with database-url: set both, or none");
    }
  }

  /**
   * The HTTP server.
   *
   * @param port 0 takes any free port
   * @param bodyMax bytes of one request's body
   * @param streamsMax event streams open at once
   * @param corsOrigins origins that browsers may call from; empty allows none, {@code *} any
   */
  public record Http(
      String host,
      int port,
      long bodyMax,
      int streamsMax,
      List<String> corsOrigins,
      Optional<Tls> tls) {
    public Http {
      corsOrigins = List.copyOf(corsOrigins);
    }
  }

  /** A certificate with its chain, and its key, in PEM. */
  public record Tls(Path certificate, Path key) {}

  /**
   * Where the data is.
   *
   * @param url empty runs the embedded PostgreSQL under {@link Settings#data}
   * @param sessionUrl where the session connection goes when {@code url} is a transaction pooler
   */
  public record Database(Optional<String> url, Optional<String> sessionUrl, int poolSize) {
    /** Shows no password. */
    @Override
    public String toString() {
      return "Database[url=%s, sessionUrl=%s, poolSize=%d]"
          .formatted(url.map(SettingType::maskUrl), sessionUrl.map(SettingType::maskUrl), poolSize);
    }
  }

  /**
   * When a replica counts as dead.
   *
   * @param ttl without a heartbeat for this long a replica is dead
   * @param grace without its advisory lock for this long a replica is dead
   * @param heartbeat how often a replica shows that it lives
   */
  public record Lease(Duration ttl, Duration grace, Duration heartbeat) {}

  /**
   * The agents' processes.
   *
   * @param memoryBudget bytes that all workers of the replica may hold together
   * @param cancelGrace from the protocol's cancel to TERM
   * @param termGrace from TERM to KILL
   */
  public record Worker(long memoryBudget, Duration cancelGrace, Duration termGrace) {}

  /**
   * Workers that connect from elsewhere, and the tokens of runs.
   *
   * @param deadline without a word for this long a worker is lost
   * @param tokenTtl for how long a run's token is valid; renewed while the run is live
   * @param keyRotation how old the key that signs them may become
   */
  public record Remote(Duration deadline, Duration tokenTtl, Duration keyRotation) {}

  /**
   * The agents' own files.
   *
   * @param max bytes of one snapshot, before compression
   * @param keep snapshots kept per conversation
   */
  public record Snapshots(SessionStore store, long max, int keep) {}

  /** Where the agents' own files outlive a process. */
  public enum SessionStore {
    /** In PostgreSQL: any replica can go on. */
    DATABASE,
    /** In the data directory: for one replica with a volume of its own. */
    FILE
  }

  /**
   * The log of runs.
   *
   * @param retention how long the events of ended runs are kept
   */
  public record Events(Duration retention) {}

  /**
   * Telling of ended runs.
   *
   * @param networks that may be reached though they are not public
   * @param retry from the first attempt to the second
   */
  public record Webhook(List<String> networks, Duration retry) {
    public Webhook {
      networks = List.copyOf(networks);
    }
  }

  /**
   * What agents' variables are sealed with.
   *
   * @param keys of 32 bytes each, the first for what is sealed from now on; none: with the embedded
   *     database one is made
   */
  public record Secrets(List<byte[]> keys) {
    public Secrets {
      keys = List.copyOf(keys);
    }

    /** Shows none. */
    @Override
    public String toString() {
      return "Secrets[" + keys.size() + "]";
    }
  }

  public record Log(LogFormat format, String level) {}

  public enum LogFormat {
    /** Text on a terminal, JSON elsewhere. */
    AUTO,
    JSON,
    TEXT
  }

  private static Refusal wrong(String name, String message) {
    return new Refusal.Invalid("setting_out_of_range", name, message);
  }
}
