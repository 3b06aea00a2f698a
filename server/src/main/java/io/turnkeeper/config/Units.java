package io.turnkeeper.config;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Durations and sizes as people write them: {@code 400ms}, {@code 1m30s}, {@code 30d}, {@code
 * 4MiB}.
 */
public final class Units {
  private static final Pattern DURATION =
      Pattern.compile("(?:\\d{1,12}(?:\\.\\d{1,3})?[a-z]{1,2})+");
  private static final Pattern PART = Pattern.compile("(\\d+(?:\\.\\d+)?)([a-z]+)");
  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,15}(?:\\.\\d{1,3})?) ?([A-Za-z]{0,3})");

  private static final Map<String, Long> MILLIS =
      Map.of("ms", 1L, "s", 1_000L, "m", 60_000L, "h", 3_600_000L, "d", 86_400_000L);

  /** Both the powers of ten and of two mean what their standards say: 1kB = 1000, 1KiB = 1024. */
  private static final Map<String, Long> BYTES =
      Map.of(
          "b", 1L,
          "kb", 1_000L,
          "mb", 1_000_000L,
          "gb", 1_000_000_000L,
          "kib", 1L << 10,
          "mib", 1L << 20,
          "gib", 1L << 30);

  private Units() {}

  /**
   * Reads a duration.
   *
   * @throws IllegalArgumentException when the text is not a duration; the message says what one
   *     looks like
   */
  public static Duration duration(String text) {
    if (text.equals("0")) {
      return Duration.ZERO;
    }
    if (!DURATION.matcher(text).matches()) {
      throw new IllegalArgumentException("a duration looks like 400ms, 5s, 1m30s, 2h or 30d");
    }
    BigDecimal millis = BigDecimal.ZERO;
    Matcher part = PART.matcher(text);
    while (part.find()) {
      Long unit = MILLIS.get(part.group(2));
      if (unit == null) {
        throw new IllegalArgumentException(
            "\"" + part.group(2) + "\" is no unit of time: use ms, s, m, h or d");
      }
      millis = millis.add(new BigDecimal(part.group(1)).multiply(BigDecimal.valueOf(unit)));
    }
    if (millis.compareTo(BigDecimal.valueOf(Long.MAX_VALUE / 2)) > 0) {
      throw new IllegalArgumentException("that is longer than a duration can be");
    }
    return Duration.ofMillis(millis.longValue());
  }

  /** The shortest text that {@link #duration} reads back as the same, to the millisecond. */
  public static String show(Duration duration) {
    long left = duration.toMillis();
    if (left == 0) {
      return "0s";
    }
    StringBuilder text = new StringBuilder();
    for (String unit : new String[] {"d", "h", "m", "s", "ms"}) {
      long size = MILLIS.getOrDefault(unit, 1L);
      if (left >= size) {
        text.append(left / size).append(unit);
        left %= size;
      }
    }
    return text.toString();
  }

  /**
   * Reads a size.
   *
   * @return bytes
   * @throws IllegalArgumentException when the text is not a size; the message says what one looks
   *     like
   */
  public static long size(String text) {
    Matcher matcher = SIZE.matcher(text.strip());
    if (!matcher.matches()) {
      throw new IllegalArgumentException("a size looks like 512KiB, 64MB or 2GiB");
    }
    String name = matcher.group(2).toLowerCase(java.util.Locale.ROOT);
    Long unit = BYTES.get(name.isEmpty() ? "b" : name);
    if (unit == null) {
      throw new IllegalArgumentException(
          "\"" + matcher.group(2) + "\" is no unit of size: use B, KB, MB, GB, KiB, MiB or GiB");
    }
    BigDecimal bytes = new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(unit));
    if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
      throw new IllegalArgumentException("that is more than a size can be");
    }
    return bytes.longValue();
  }

  /** The shortest exact text that {@link #size} reads back as the same. */
  public static String show(long bytes) {
    if (bytes == 0) {
      return "0B";
    }
    record Unit(String name, long bytes) {}
    Unit[] units = {
      new Unit("GiB", 1L << 30),
      new Unit("GB", 1_000_000_000L),
      new Unit("MiB", 1L << 20),
      new Unit("MB", 1_000_000L),
      new Unit("KiB", 1L << 10),
      new Unit("KB", 1_000L)
    };
    for (Unit unit : units) {
      if (bytes % unit.bytes() == 0) {
        return bytes / unit.bytes() + unit.name();
      }
    }
    return bytes + "B";
  }
}
