package io.turnkeeper.snapshot;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * The name of a piece of content: the first 160 bits of its SHA-256. Shorter names make small
 * manifests; to forge one still costs 2^80 hashes, and could only harm the forger's conversation.
 */
record Hash(byte[] value) {
  static final int BYTES = 20;

  static Hash of(byte[] data, int from, int length) {
    MessageDigest digest = digest();
    digest.update(data, from, length);
    return of(digest);
  }

  static Hash of(MessageDigest digest) {
    return new Hash(Arrays.copyOf(digest.digest(), BYTES));
  }

  static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException every_runtime_has_it) {
      throw new IllegalStateException(every_runtime_has_it);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Hash hash && Arrays.equals(value, hash.value);
  }

  @Override
  public int hashCode() {
    return (value[0] & 255) << 24 | (value[1] & 255) << 16 | (value[2] & 255) << 8 | value[3] & 255;
  }
}
