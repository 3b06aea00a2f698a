package io.turnkeeper.snapshot;

/** What is stored is not what was saved: never restored from, not even in part. */
final class CorruptSnapshot extends RuntimeException {
  private static final long serialVersionUID = 1L;

  CorruptSnapshot(String what) {
    super("the snapshot is damaged: " + what);
  }
}
