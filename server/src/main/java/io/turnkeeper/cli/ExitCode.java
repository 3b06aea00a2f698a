package io.turnkeeper.cli;

/** What a command's exit status means. Scripts branch on these: they never change. */
enum ExitCode {
  OK(0),
  FAILED(1),
  USAGE(2),
  REFUSED(3),
  UNREACHABLE(4),
  RUN_FAILED(5),
  INTERRUPTED(130);

  private final int status;

  ExitCode(int status) {
    this.status = status;
  }

  int status() {
    return status;
  }
}
