package io.turnkeeper.orchestrator;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How many leases this replica may hold, and how many it does. Taking and giving back are paired by
 * the caller's finally.
 */
final class Admission {
  private static final Logger log = LoggerFactory.getLogger(Admission.class);

  /** Percent of the cap from which it is said to be near. */
  private static final int NEAR_PERCENT = 80;

  private boolean warned;
  private int cap;
  private int held;

  Admission(int cap) {
    this.cap = cap;
  }

  synchronized int free() {
    return Math.max(0, cap - held);
  }

  /** How many are held above the cap: it was lowered. */
  synchronized int excess() {
    return Math.max(0, held - cap);
  }

  synchronized int held() {
    return held;
  }

  synchronized int cap() {
    return cap;
  }

  /** From now on; what is held above it is kept until it ends. 0 takes nothing new. */
  synchronized void cap(int max) {
    cap = max;
    look();
  }

  synchronized void take() {
    held += 1;
    look();
  }

  synchronized void giveBack() {
    held -= 1;
    look();
  }

  synchronized boolean near() {
    return cap > 0 && held * 100 >= cap * NEAR_PERCENT;
  }

  /** One warning when the line is crossed; the next only after it was below again. */
  private void look() {
    boolean near = near();
    if (near && !warned) {
      log.warn("{} of {} conversations held: work will wait for a free slot", held, cap);
    }
    warned = near;
  }
}
