package io.turnkeeper.http;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How the server listens and what it refuses.
 *
 * @param host the address to bind
 * @param port the port to bind, 0 to 65535; 0 lets the system choose
 * @param bodyBytesMax the largest request body, in bytes; larger ones get 413
 * @param streamsMax the most responses that may stay open at once; more get 503
 * @param heartbeat the longest silence on a stream before its handler writes a heartbeat
 * @param idleTimeout after how long a blocked read or write is given up; longer than two heartbeats
 * @param stopTimeout how long a stop waits for requests under way
 * @param corsOrigins origins whose browsers' scripts may call, such as {@code
 *     https://chat.example}; {@code *} is any; empty is none
 * @param tls what to prove itself with; null serves clear text
 */
public record HttpConfig(
    String host,
    int port,
    int bodyBytesMax,
    int streamsMax,
    Duration heartbeat,
    Duration idleTimeout,
    Duration stopTimeout,
    List<String> corsOrigins,
    @Nullable Tls tls) {

  /**
   * Files in PEM.
   *
   * @param certificate with the chain up to the authority
   * @param key in PKCS #8, without a password
   */
  public record Tls(Path certificate, Path key) {}

  private static final int PORT_MAX = 65_535;
  private static final int BODY_BYTES_MAX = 4 * 1024 * 1024;
  private static final int STREAMS_MAX = 20_000;

  public HttpConfig {
    corsOrigins = List.copyOf(corsOrigins);
    check(port >= 0 && port <= PORT_MAX, "http.port must be between 0 and 65535");
    check(bodyBytesMax > 0, "http.body-bytes-max must be positive");
    check(streamsMax > 0, "http.streams-max must be positive");
    check(heartbeat.isPositive(), "http.heartbeat must be positive");
    check(
        idleTimeout.compareTo(heartbeat.multipliedBy(2)) > 0,
        "http.idle-timeout must be longer than two heartbeats");
    check(!stopTimeout.isNegative(), "http.stop-timeout must not be negative");
  }

  /**
   * Everything by default: 4 MiB bodies, 20,000 streams, a heartbeat every 5 s, idle after 20 s.
   */
  public static HttpConfig of(String host, int port) {
    return new HttpConfig(
        host,
        port,
        BODY_BYTES_MAX,
        STREAMS_MAX,
        Duration.ofSeconds(5),
        Duration.ofSeconds(20),
        Duration.ofSeconds(5),
        List.of(),
        null);
  }

  private static void check(boolean holds, String message) {
    if (!holds) {
      throw new IllegalArgumentException(message);
    }
  }
}
