package io.turnkeeper.cli;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import tools.jackson.databind.JsonNode;

/** Follows the durable log of one run, by pages. */
final class RunTail {
  private static final int PAGE_EVENTS = 500;
  private static final Duration POLL = Duration.ofMillis(300);
  private static final int DATA_CHARS_SHOWN = 160;

  private final Api api;
  private final Screen screen;
  private final boolean json;

  RunTail(Api api, Screen screen, boolean json) {
    this.api = api;
    this.screen = screen;
    this.json = json;
  }

  /**
   * Prints every event after that one, and returns when the run has ended: OK only if it completed.
   */
  ExitCode follow(String run, long after) {
    long at = after;
    String path = "/admin/runs/" + Api.segment(run);
    while (!Thread.currentThread().isInterrupted()) {
      // Asked before the page: what had ended by then has its last event in it.
      String status = api.get(path).path("status").asString("");
      JsonNode events =
          api.get(path + "/events?after=" + at + "&limit=" + PAGE_EVENTS).path("events");
      for (JsonNode event : events) {
        at = Math.max(at, event.path("seq").asLong(at));
        show(event);
      }
      if (events.size() >= PAGE_EVENTS) {
        continue;
      }
      switch (status) {
        case "completed" -> {
          return ExitCode.OK;
        }
        case "failed", "cancelled", "timeout" -> {
          return ExitCode.RUN_FAILED;
        }
        default -> LockSupport.parkNanos(POLL.toNanos());
      }
    }
    return ExitCode.INTERRUPTED;
  }

  private void show(JsonNode event) {
    if (json) {
      screen.jsonLine(event);
      return;
    }
    String kind = event.path("kind").asString("?");
    screen.line(
        "%4d  %-20s %s"
            .formatted(
                event.path("seq").asLong(0),
                kind,
                screen.dim(Screen.brief(event.path("data"), DATA_CHARS_SHOWN))));
  }
}
