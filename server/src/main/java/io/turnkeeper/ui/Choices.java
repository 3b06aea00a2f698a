package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What an address may choose from. */
final class Choices {
  private Choices() {}

  /** The constant of that name; nothing is any. */
  static <E extends Enum<E>> Optional<E> of(Class<E> type, String word, String field) {
    if (word.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        Arrays.stream(type.getEnumConstants())
            .filter(one -> one.name().toLowerCase(Locale.ROOT).equals(word))
            .findFirst()
            .orElseThrow(() ->
                new Refusal.Invalid(
                    "unknown_value",
                    field,
                    field
                        + " must be one of "
                        + Arrays.stream(type.getEnumConstants())
                            .map(one -> one.name().toLowerCase(Locale.ROOT))
                            .collect(Collectors.joining(", "))
                        + ", not "
                        + Refusal.shown(word))));
  }

  /** How far back; nothing is as far as there is anything. */
  static @Nullable Instant since(String word, Instant now) {
    return switch (word) {
      case "", "all" -> null;
      case "1h" -> now.minus(Duration.ofHours(1));
      case "24h" -> now.minus(Duration.ofDays(1));
      case "7d" -> now.minus(Duration.ofDays(7));
      default ->
          throw new Refusal.Invalid(
              "unknown_value", "since", "since must be one of 1h, 24h, 7d, all");
    };
  }
}
