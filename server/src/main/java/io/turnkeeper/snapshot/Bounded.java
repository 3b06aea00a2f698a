package io.turnkeeper.snapshot;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import org.jspecify.annotations.Nullable;

/** The first so many bytes of a stream: what is appended meanwhile belongs to the next snapshot. */
final class Bounded {
  private final InputStream in;
  private final long size;
  private final MessageDigest digest = Hash.digest();
  private long rest;

  Bounded(InputStream in, long size) {
    this.in = in;
    this.size = size;
    this.rest = size;
  }

  /** So many bytes, or fewer when that is all there is. */
  byte[] exactly(int length) throws IOException {
    byte[] data = in.readNBytes((int) Math.min(length, rest));
    digest.update(data);
    rest -= data.length;
    return data;
  }

  /** Fills the buffer as far as the bytes go; 0 at their end. */
  int read(byte[] buffer) throws IOException {
    int read = in.readNBytes(buffer, 0, (int) Math.min(buffer.length, rest));
    digest.update(buffer, 0, read);
    rest -= read;
    return read;
  }

  /** The name of all that was read, when it is no more than this. */
  @Nullable Hash content(int max) {
    return size <= max ? Hash.of(digest) : null;
  }
}
