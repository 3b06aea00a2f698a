package io.turnkeeper.config;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * One setting and all of them: the only place that knows their names.
 *
 * @param fallback the default, as the text that a person would write
 * @param secret may come from a file that {@code NAME-file} or {@code TURNKEEPER_NAME_FILE} names,
 *     and is never shown whole
 */
record Setting<T>(String name, SettingType<T> type, String fallback, boolean secret, String doc) {
  static final String ENV_PREFIX = "TURNKEEPER_";

  private static final Duration SECOND = Duration.ofSeconds(1);
  private static final long KIB = 1L << 10;
  private static final long MIB = 1L << 20;
  private static final long GIB = 1L << 30;

  /** Above it, one JSON string could be longer than the parser takes. */
  private static final long BODY_BYTES_MAX = 64 * MIB;

  private static final Pattern NETWORK = Pattern.compile("[0-9a-fA-F.:]+/\\d{1,3}");
  private static final Pattern ORIGIN = Pattern.compile("\\*|https?://[^/\\s,]+");

  static final Setting<Path> DATA =
      new Setting<>(
          "data",
          SettingType.directory(),
          "~/.turnkeeper",
          false,
          "where the embedded database, the credentials and the workers' files are");
  static final Setting<String> HOST =
      plain("host", SettingType.text("a host name or address"), "127.0.0.1", "where to listen");
  static final Setting<Integer> PORT =
      plain("port", SettingType.integer(0, 65_535), "8787", "where to listen; 0 takes a free port");
  static final Setting<Optional<String>> DATABASE_URL =
      secret("database-url", "the database; without it, an embedded PostgreSQL under data");
  static final Setting<Optional<String>> SESSION_DATABASE_URL =
      secret(
          "session-database-url",
          "the same database without a transaction pooler, for the session connection");
  static final Setting<Integer> POOL_SIZE =
      plain("pool-size", SettingType.integer(2, 500), "10", "database connections at most");
  static final Setting<Settings.SessionStore> SESSION_STORE =
      plain(
          "session-store",
          SettingType.oneOf(Settings.SessionStore.class),
          "database",
          "where the agents' files are kept; file is for one replica with its own volume");
  static final Setting<Duration> DRAIN_TIMEOUT =
      plain(
          "drain-timeout",
          SettingType.duration(Duration.ZERO, Duration.ofHours(24)),
          "30s",
          "how long a graceful stop lets running runs finish");
  static final Setting<Duration> LEASE_TTL =
      plain(
          "lease.ttl",
          SettingType.duration(SECOND, Duration.ofMinutes(5)),
          "5s",
          "a replica without a heartbeat for this long is dead");
  static final Setting<Duration> LEASE_GRACE =
      plain(
          "lease.grace",
          SettingType.duration(Duration.ofMillis(50), Duration.ofMinutes(1)),
          "400ms",
          "a replica without its advisory lock for this long is dead");
  static final Setting<Duration> HEARTBEAT =
      plain(
          "lease.heartbeat",
          SettingType.duration(Duration.ofMillis(100), Duration.ofMinutes(1)),
          "1s",
          "how often a replica shows that it lives");
  static final Setting<Optional<Path>> TLS_CERT =
      plain(
          "tls-cert", SettingType.file(), "", "serve TLS with this certificate and chain, in PEM");
  static final Setting<Optional<Path>> TLS_KEY =
      plain("tls-key", SettingType.file(), "", "the certificate's key, PKCS #8 in PEM");
  static final Setting<Long> BODY_MAX =
      plain(
          "http.body-max",
          SettingType.size(KIB, BODY_BYTES_MAX),
          "4MiB",
          "the largest request body");
  static final Setting<Integer> STREAMS_MAX =
      plain(
          "http.streams-max",
          SettingType.integer(1, 1_000_000),
          "20000",
          "event streams open at once");
  static final Setting<List<String>> CORS_ORIGINS =
      plain(
          "cors.origins",
          SettingType.list("origins such as https://app.example, or *", ORIGIN),
          "",
          "origins that browsers may call from");
  static final Setting<Long> SNAPSHOT_MAX =
      plain(
          "snapshots.max",
          SettingType.size(MIB, 16 * GIB),
          "256MiB",
          "the largest snapshot of one conversation's files");
  static final Setting<Integer> SNAPSHOTS_KEEP =
      plain(
          "snapshots.keep",
          SettingType.integer(1, 10_000),
          "20",
          "snapshots kept per conversation");
  static final Setting<Duration> EVENTS_RETENTION =
      plain(
          "events.retention",
          SettingType.duration(Duration.ofDays(1), Duration.ofDays(3650)),
          "30d",
          "how long the events of ended runs are kept");
  static final Setting<Duration> WORKER_CANCEL_GRACE =
      plain(
          "worker.cancel-grace",
          SettingType.duration(Duration.ofMillis(100), Duration.ofMinutes(10)),
          "5s",
          "from asking a worker to cancel to TERM");
  static final Setting<Duration> WORKER_TERM_GRACE =
      plain(
          "worker.term-grace",
          SettingType.duration(Duration.ofMillis(100), Duration.ofMinutes(10)),
          "3s",
          "from TERM to KILL");
  static final Setting<Duration> REMOTE_DEADLINE =
      plain(
          "remote.deadline",
          SettingType.duration(SECOND, Duration.ofHours(1)),
          "30s",
          "a worker from elsewhere that says nothing for this long is lost");
  static final Setting<Duration> TOKEN_TTL =
      plain(
          "remote.token-ttl",
          SettingType.duration(Duration.ofSeconds(2), Duration.ofHours(24)),
          "15m",
          "how long a run's token is valid; it is renewed while the run is live");
  static final Setting<Duration> TOKEN_KEY_ROTATION =
      plain(
          "remote.token-key-rotation",
          SettingType.duration(Duration.ofMinutes(1), Duration.ofDays(365)),
          "1d",
          "how old the key that signs run tokens may become");
  static final Setting<List<String>> WEBHOOK_NETWORKS =
      plain(
          "webhook.networks",
          SettingType.list("networks such as 10.1.0.0/16", NETWORK),
          "",
          "networks that webhooks may reach though they are not public");
  static final Setting<Duration> WEBHOOK_RETRY =
      plain(
          "webhook.retry",
          SettingType.duration(Duration.ofMillis(100), Duration.ofHours(1)),
          "30s",
          "from a webhook's first attempt to its second; doubled each time, twelve in all");
  static final Setting<List<byte[]>> SECRETS_KEY =
      new Setting<>(
          "secrets.key",
          SettingType.keys(),
          "",
          true,
          "encrypts agents' variables in the database; with the embedded one it is made, in data");
  static final Setting<Settings.LogFormat> LOG_FORMAT =
      plain(
          "log.format",
          SettingType.oneOf(Settings.LogFormat.class),
          "auto",
          "how log lines look; auto is text on a terminal and JSON elsewhere");
  static final Setting<String> LOG_LEVEL =
      plain(
          "log.level",
          SettingType.oneOf("error", "warn", "info", "debug"),
          "info",
          "what is logged");

  static Setting<Integer> maxLeases(ConfigLoader.Machine machine) {
    return plain(
        "max-leases",
        SettingType.integer(0, 100_000),
        Integer.toString(machine.leases()),
        "conversations worked on at once; the default comes from cores and memory; 0 takes none");
  }

  static Setting<Long> workerMemory(ConfigLoader.Machine machine) {
    return plain(
        "worker.memory-budget",
        SettingType.size(64 * MIB, 1024 * GIB),
        Units.show(machine.workerMemory()),
        "memory of all workers together, above which idle ones are stopped; half of the machine's");
  }

  static List<Setting<?>> all(ConfigLoader.Machine machine) {
    return List.of(
        DATA,
        HOST,
        PORT,
        DATABASE_URL,
        SESSION_DATABASE_URL,
        POOL_SIZE,
        SESSION_STORE,
        maxLeases(machine),
        DRAIN_TIMEOUT,
        LEASE_TTL,
        LEASE_GRACE,
        HEARTBEAT,
        TLS_CERT,
        TLS_KEY,
        BODY_MAX,
        STREAMS_MAX,
        CORS_ORIGINS,
        SNAPSHOT_MAX,
        SNAPSHOTS_KEEP,
        EVENTS_RETENTION,
        workerMemory(machine),
        WORKER_CANCEL_GRACE,
        WORKER_TERM_GRACE,
        REMOTE_DEADLINE,
        TOKEN_TTL,
        TOKEN_KEY_ROTATION,
        WEBHOOK_NETWORKS,
        WEBHOOK_RETRY,
        SECRETS_KEY,
        LOG_FORMAT,
        LOG_LEVEL);
  }

  String env() {
    return ENV_PREFIX + name.toUpperCase(Locale.ROOT).replace('.', '_').replace('-', '_');
  }

  private static <T> Setting<T> plain(
      String name, SettingType<T> type, String fallback, String doc) {
    return new Setting<>(name, type, fallback, false, doc);
  }

  private static Setting<Optional<String>> secret(String name, String doc) {
    return new Setting<>(name, SettingType.databaseUrl(), "", true, doc);
  }
}
