package io.turnkeeper.telemetry;

import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where a piece of work belongs in a distributed trace: W3C Trace Context, level 1.
 *
 * @param traceId 32 hexadecimal digits, shared by everything that one request caused
 * @param spanId 16 hexadecimal digits, this work's own
 * @param sampled whether the caller records the trace
 */
public record TraceContext(String traceId, String spanId, boolean sampled) {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Pattern TRACEPARENT =
      Pattern.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?");
  private static final int TRACE_BYTES = 16;
  private static final int SPAN_BYTES = 8;

  /** A trace that begins here. */
  public static TraceContext start() {
    return new TraceContext(randomHex(TRACE_BYTES), randomHex(SPAN_BYTES), false);
  }

  /** A new span of the caller's trace, or of a new trace when the header is absent or unusable. */
  public static TraceContext continuing(@Nullable String traceparent) {
    return parse(traceparent).map(TraceContext::child).orElseGet(TraceContext::start);
  }

  /** What a {@code traceparent} header says, or empty when there is none that is valid. */
  public static Optional<TraceContext> parse(@Nullable String traceparent) {
    if (traceparent == null) {
      return Optional.empty();
    }
    var match = TRACEPARENT.matcher(traceparent.strip().toLowerCase(Locale.ROOT));
    if (!match.matches()) {
      return Optional.empty();
    }
    String version = match.group(1);
    boolean trailing = match.group(5) != null;
    if (version.equals("ff")
        || (version.equals("00") && trailing)
        || allZero(match.group(2))
        || allZero(match.group(3))) {
      return Optional.empty();
    }
    boolean sampled = (Integer.parseInt(match.group(4), 16) & 1) == 1;
    return Optional.of(new TraceContext(match.group(2), match.group(3), sampled));
  }

  /** The same trace, a new span. */
  public TraceContext child() {
    return new TraceContext(traceId, randomHex(SPAN_BYTES), sampled);
  }

  /** The header that hands this context on. */
  public String traceparent() {
    return "00-" + traceId + "-" + spanId + (sampled ? "-01" : "-00");
  }

  private static boolean allZero(String hex) {
    return hex.chars().allMatch(digit -> digit == '0');
  }

  private static String randomHex(int bytes) {
    byte[] random = new byte[bytes];
    RANDOM.nextBytes(random);
    random[0] |= 1; // all zeros is not an id
    return HexFormat.of().formatHex(random);
  }
}
