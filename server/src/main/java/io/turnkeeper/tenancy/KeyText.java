package io.turnkeeper.tenancy;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * The text of a key: {@code tk_}, its id, {@code _}, its secret, the two in URL-safe Base64. The id
 * finds the row, the secret proves the right to it.
 */
record KeyText(UUID id, byte[] secret) {
  private static final Pattern FORM = Pattern.compile("tk_([A-Za-z0-9_-]{22})_([A-Za-z0-9_-]{43})");
  private static final int SECRET_BYTES = 32;
  private static final SecureRandom RANDOM = new SecureRandom();

  static KeyText random(UUID id) {
    byte[] secret = new byte[SECRET_BYTES];
    RANDOM.nextBytes(secret);
    return new KeyText(id, secret);
  }

  /** Empty when the text has not the form of a key. */
  static Optional<KeyText> parse(String text) {
    var match = FORM.matcher(text);
    if (!match.matches()) {
      return Optional.empty();
    }
    try {
      ByteBuffer id = ByteBuffer.wrap(Base64.getUrlDecoder().decode(match.group(1)));
      byte[] secret = Base64.getUrlDecoder().decode(match.group(2));
      return Optional.of(new KeyText(new UUID(id.getLong(), id.getLong()), secret));
    } catch (IllegalArgumentException strayBits) {
      return Optional.empty();
    }
  }

  String text() {
    byte[] idBytes =
        ByteBuffer.allocate(2 * Long.BYTES)
            .putLong(id.getMostSignificantBits())
            .putLong(id.getLeastSignificantBits())
            .array();
    var base64 = Base64.getUrlEncoder().withoutPadding();
    return "tk_" + base64.encodeToString(idBytes) + "_" + base64.encodeToString(secret);
  }

  /**
   * What is stored. Plain SHA-256 is enough: the secret is 256 random bits, so there is nothing to
   * guess.
   */
  byte[] hash() {
    return sha256(secret);
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException everyJdkHasIt) {
      throw new IllegalStateException(everyJdkHasIt);
    }
  }

  @Override
  public String toString() {
    return "KeyText[" + id + "]";
  }
}
