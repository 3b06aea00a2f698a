package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.queue.Run;
import io.turnkeeper.transcript.TurnFold;
import io.turnkeeper.worker.PermissionRequest;
import io.turnkeeper.worker.PermissionResolved;
import io.turnkeeper.worker.TurnListener;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A run under way: what its agent says goes into its log from here, and its clocks are kept here.
 */
final class ActiveRun implements TurnListener {
  private final Run run;
  private final RunLog log;
  private final TurnFold fold;
  private final Clock clock;
  private final AgentLimits limits;
  private final Map<String, Long> openPermissions = new HashMap<>();
  private long startedNanos;
  private long progressNanos;
  private long waitedNanos;
  private boolean produced;

  /**
   * @param permissionTimeout how long a person may take to answer
   */
  record AgentLimits(
      Permissions permissions,
      Duration runTimeout,
      Duration progressTimeout,
      Duration permissionTimeout) {}

  ActiveRun(Run run, RunLog log, TurnFold fold, AgentLimits limits, Clock clock) {
    this.run = run;
    this.log = log;
    this.fold = fold;
    this.limits = limits;
    this.clock = clock;
    this.startedNanos = clock.nanos();
    this.progressNanos = startedNanos;
  }

  Run run() {
    return run;
  }

  RunLog log() {
    return log;
  }

  TurnFold fold() {
    return fold;
  }

  synchronized boolean produced() {
    return produced;
  }

  /** The agent starts to work now: its clocks begin, and what came before does not count. */
  synchronized void begin() {
    startedNanos = clock.nanos();
    progressNanos = startedNanos;
  }

  void record(String kind, ObjectNode data) {
    fold.apply(kind, data);
    log.append(kind, data);
  }

  @Override
  public void update(ObjectNode update) {
    synchronized (this) {
      produced = true;
      progressNanos = clock.nanos();
    }
    record(Kinds.UPDATE, update);
  }

  @Override
  public void permissionRequested(PermissionRequest request) {
    ObjectNode data = Json.object().put("id", request.id());
    data.set("tool_call", request.toolCall());
    data.set("options", request.options());
    boolean asks = limits.permissions() == Permissions.ASK;
    synchronized (this) {
      produced = true;
      if (asks) {
        openPermissions.put(request.id(), clock.nanos());
        data.put("expires_at", clock.now().plus(limits.permissionTimeout()).toString());
      }
    }
    fold.apply(Kinds.PERMISSION_REQUESTED, data);
    if (asks) {
      log.append(Kinds.PERMISSION_REQUESTED, data, true);
    } else {
      log.append(Kinds.PERMISSION_REQUESTED, data);
    }
  }

  @Override
  public void permissionResolved(PermissionResolved resolved) {
    ObjectNode data = resolvedData(resolved);
    boolean goesOn;
    synchronized (this) {
      Long since = openPermissions.remove(resolved.id());
      goesOn = since != null && openPermissions.isEmpty();
      if (since != null) {
        waitedNanos += clock.nanos() - since;
      }
      progressNanos = clock.nanos();
    }
    fold.apply(Kinds.PERMISSION_RESOLVED, data);
    if (goesOn) {
      log.append(Kinds.PERMISSION_RESOLVED, data, false);
    } else {
      log.append(Kinds.PERMISSION_RESOLVED, data);
    }
  }

  @Override
  public synchronized void progress() {
    progressNanos = clock.nanos();
  }

  @Override
  public void late(ObjectNode update) {
    // The run's log has its terminal event: what comes after it belongs to no run.
  }

  /** Which deadline has passed, if one has. While a person is asked no clock of the agent runs. */
  synchronized @Nullable Overdue overdue(long nanos) {
    if (!openPermissions.isEmpty()) {
      List<String> expired =
          openPermissions.entrySet().stream()
              .filter(open -> nanos - open.getValue() > limits.permissionTimeout().toNanos())
              .map(Map.Entry::getKey)
              .toList();
      return expired.isEmpty() ? null : new Overdue.Permissions(expired);
    }
    if (nanos - startedNanos - waitedNanos > limits.runTimeout().toNanos()) {
      return new Overdue.Run(limits.runTimeout());
    }
    if (nanos - progressNanos > limits.progressTimeout().toNanos()) {
      return new Overdue.Progress(limits.progressTimeout());
    }
    return null;
  }

  sealed interface Overdue {
    record Permissions(List<String> ids) implements Overdue {}

    record Run(Duration after) implements Overdue {}

    record Progress(Duration after) implements Overdue {}
  }

  /** The tool calls that were begun and have no result: nobody knows what they did. */
  JsonNode openToolCalls() {
    return fold.openToolCalls();
  }

  private static ObjectNode resolvedData(PermissionResolved resolved) {
    ObjectNode data = Json.object().put("id", resolved.id());
    switch (resolved.answer()) {
      case io.turnkeeper.worker.PermissionAnswer.Selected selected ->
          data.put("outcome", "selected")
              .put("option_id", selected.optionId())
              .put("by", selected.by());
      case io.turnkeeper.worker.PermissionAnswer.Cancelled cancelled ->
          data.put("outcome", "cancelled").put("by", cancelled.by());
    }
    return data;
  }

  /** For people: seconds, or milliseconds when it is less than one. */
  static String words(Duration duration) {
    return duration.toSeconds() >= 1 ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
  }
}
