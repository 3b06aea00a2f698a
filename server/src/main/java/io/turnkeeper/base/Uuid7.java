package io.turnkeeper.base;

import java.security.SecureRandom;
import java.util.Optional;
import java.util.UUID;
import java.util.random.RandomGenerator;

/** Time-ordered UUIDs, version 7 of RFC 9562. */
public final class Uuid7 {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final int CANONICAL_LENGTH = 36;

  private Uuid7() {}

  /** A new id from the wall clock's milliseconds and 74 random bits. */
  public static UUID next() {
    return next(System.currentTimeMillis(), RANDOM);
  }

  /** A new id of a millisecond, from that source of randomness. */
  public static UUID next(long epochMillis, RandomGenerator random) {
    return at(epochMillis, random.nextLong(), random.nextLong());
  }

  /** The smallest id of a millisecond: a bound for ranges over time. */
  public static UUID floor(long epochMillis) {
    return at(epochMillis, 0, 0);
  }

  /**
   * The UUID in its 36-character form, or empty. {@link UUID#fromString} also takes shorter ones.
   */
  public static Optional<UUID> parse(String text) {
    if (text.length() != CANONICAL_LENGTH) {
      return Optional.empty();
    }
    try {
      return Optional.of(UUID.fromString(text));
    } catch (IllegalArgumentException notAUuid) {
      return Optional.empty();
    }
  }

  private static UUID at(long epochMillis, long randomA, long randomB) {
    long most = (epochMillis << 16) | 0x7000L | (randomA & 0x0fffL);
    long least = (randomB & 0x3fff_ffff_ffff_ffffL) | 0x8000_0000_0000_0000L;
    return new UUID(most, least);
  }
}
