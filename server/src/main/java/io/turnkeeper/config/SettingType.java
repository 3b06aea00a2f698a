package io.turnkeeper.config;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * How the text of a setting becomes its value, and back.
 *
 * @param range what is allowed, in words
 * @param parse throws {@link IllegalArgumentException} with a message for people
 */
record SettingType<T>(String range, Function<String, T> parse, Function<T, String> show) {
  private static final int AES_KEY_BYTES = 32;
  private static final Pattern PASSWORD = Pattern.compile("(?<=://)([^:/@?]*):[^@/]*@");
  private static final Pattern PASSWORD_OPTION = Pattern.compile("(?<=[?&]password=)[^&]*");

  static SettingType<Integer> integer(int min, int max) {
    String range = min + " to " + max;
    return new SettingType<>(
        range,
        text -> {
          int value;
          try {
            value = Integer.parseInt(text.strip());
          } catch (NumberFormatException notOne) {
            throw new IllegalArgumentException("a whole number is wanted", notOne);
          }
          check(value >= min && value <= max, range);
          return value;
        },
        value -> Integer.toString(value));
  }

  static SettingType<Duration> duration(Duration min, Duration max) {
    String range = Units.show(min) + " to " + Units.show(max);
    return new SettingType<>(
        range,
        text -> {
          Duration value = Units.duration(text.strip());
          check(value.compareTo(min) >= 0 && value.compareTo(max) <= 0, range);
          return value;
        },
        Units::show);
  }

  static SettingType<Long> size(long min, long max) {
    String range = Units.show(min) + " to " + Units.show(max);
    return new SettingType<>(
        range,
        text -> {
          long value = Units.size(text.strip());
          check(value >= min && value <= max, range);
          return value;
        },
        Units::show);
  }

  static <E extends Enum<E>> SettingType<E> oneOf(Class<E> type) {
    List<String> names =
        Arrays.stream(type.getEnumConstants()).map(e -> e.name().toLowerCase(Locale.ROOT)).toList();
    String range = String.join(" | ", names);
    return new SettingType<>(
        range,
        text -> {
          check(names.contains(text), range);
          return Enum.valueOf(type, text.toUpperCase(Locale.ROOT));
        },
        value -> value.name().toLowerCase(Locale.ROOT));
  }

  static SettingType<String> oneOf(String... names) {
    String range = String.join(" | ", names);
    return new SettingType<>(
        range,
        text -> {
          check(Arrays.asList(names).contains(text), range);
          return text;
        },
        Function.identity());
  }

  static SettingType<String> text(String range) {
    return new SettingType<>(
        range,
        text -> {
          check(!text.isBlank() && !text.contains("\0"), range);
          return text;
        },
        Function.identity());
  }

  static SettingType<Path> directory() {
    return new SettingType<>(
        "a path", text -> Path.of(text).toAbsolutePath().normalize(), Path::toString);
  }

  /** Empty text is none. */
  static SettingType<Optional<Path>> file() {
    return new SettingType<>(
        "a path",
        text ->
            text.isEmpty()
                ? Optional.empty()
                : Optional.of(Path.of(text).toAbsolutePath().normalize()),
        path -> path.map(Path::toString).orElse(""));
  }

  /** Empty text is none. Shown without its password. */
  static SettingType<Optional<String>> databaseUrl() {
    String range = "postgresql://user:password@host:5432/name";
    return new SettingType<>(
        range,
        text -> {
          String url = text.startsWith("jdbc:") ? text.substring("jdbc:".length()) : text;
          check(
              url.isEmpty() || url.startsWith("postgresql://") || url.startsWith("postgres://"),
              range);
          return text.isEmpty() ? Optional.empty() : Optional.of(text);
        },
        value -> value.map(SettingType::maskUrl).orElse(""));
  }

  /** Keys of AES-256 in Base64, separated by commas. Never shown. */
  static SettingType<List<byte[]>> keys() {
    String range = "32 random bytes in Base64; several with commas, of which the first seals";
    return new SettingType<>(
        range,
        text -> {
          try {
            List<byte[]> keys =
                Arrays.stream(text.split(","))
                    .map(String::strip)
                    .filter(key -> !key.isEmpty())
                    .map(Base64.getDecoder()::decode)
                    .toList();
            check(keys.stream().allMatch(key -> key.length == AES_KEY_BYTES), range);
            return keys;
          } catch (IllegalArgumentException notBase64) {
            throw new IllegalArgumentException("allowed: " + range, notBase64);
          }
        },
        keys -> keys.isEmpty() ? "" : "***");
  }

  /** Separated by commas. */
  static SettingType<List<String>> list(String range, Pattern each) {
    return new SettingType<>(
        range,
        text -> {
          List<String> values =
              Arrays.stream(text.split(",")).map(String::strip).filter(s -> !s.isEmpty()).toList();
          check(values.stream().allMatch(value -> each.matcher(value).matches()), range);
          return values;
        },
        values -> String.join(",", values));
  }

  /** Separated by commas; empty text is none. */
  static SettingType<List<Path>> paths() {
    String range = "absolute paths, with commas";
    return new SettingType<>(
        range,
        text -> {
          List<Path> paths =
              Arrays.stream(text.split(","))
                  .map(String::strip)
                  .filter(path -> !path.isEmpty())
                  .map(Path::of)
                  .toList();
          check(
              paths.stream().allMatch(path -> path.isAbsolute() && path.getNameCount() > 0), range);
          return paths.stream().map(Path::normalize).toList();
        },
        paths -> String.join(",", paths.stream().map(Path::toString).toList()));
  }

  static String maskUrl(String url) {
    return PASSWORD_OPTION.matcher(PASSWORD.matcher(url).replaceAll("$1:***@")).replaceAll("***");
  }

  private static void check(boolean fits, String range) {
    if (!fits) {
      throw new IllegalArgumentException("allowed: " + range);
    }
  }
}
