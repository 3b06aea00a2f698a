package io.turnkeeper.snapshot;

import java.util.SplittableRandom;

/**
 * Where content is cut, by what is in it: a rolling hash over the last bytes picks the places, so
 * an insertion moves only the cuts near it. Normalized: a stricter mask before the average size and
 * a laxer one after it keep the sizes close together.
 */
final class Chunker {
  static final int MIN = 4 * 1024;
  static final int AVERAGE = 16 * 1024;
  static final int MAX = 64 * 1024;

  /** Two bits more and two bits less than the average's fourteen, in the bits that mix longest. */
  private static final long STRICT = 0xFFFFL << 48;

  private static final long LAX = 0xFFFL << 52;

  /** Fixed for ever: other numbers would cut the same content elsewhere. */
  private static final long[] GEAR = new SplittableRandom(0x7475726e6b656570L).longs(256).toArray();

  private Chunker() {}

  /** The length of the first chunk of what is in the array from one index to another. */
  static int cut(byte[] data, int from, int to) {
    int length = to - from;
    if (length <= MIN) {
      return length;
    }
    int end = Math.min(length, MAX);
    int normal = Math.min(AVERAGE, end);
    long hash = 0;
    int at = MIN;
    while (at < normal) {
      hash = (hash << 1) + GEAR[data[from + at++] & 255];
      if ((hash & STRICT) == 0) {
        return at;
      }
    }
    while (at < end) {
      hash = (hash << 1) + GEAR[data[from + at++] & 255];
      if ((hash & LAX) == 0) {
        return at;
      }
    }
    return end;
  }
}
