package io.turnkeeper.orchestrator;

/** Nothing more can be done for this conversation by whoever worked on it. */
final class LeaseGone extends RuntimeException {
  private static final long serialVersionUID = 1L;

  LeaseGone() {
    super(null, null, false, false);
  }
}
