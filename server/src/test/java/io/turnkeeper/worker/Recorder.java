package io.turnkeeper.worker;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import tools.jackson.databind.node.ObjectNode;

/** Remembers what a turn told, and lets a test wait for it. */
final class Recorder implements TurnListener {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  final List<ObjectNode> updates = new ArrayList<>();
  final List<ObjectNode> late = new ArrayList<>();
  final List<PermissionRequest> asked = new ArrayList<>();
  final List<PermissionResolved> resolved = new ArrayList<>();
  int progress;

  @Override
  public synchronized void update(ObjectNode update) {
    updates.add(update);
    notifyAll();
  }

  @Override
  public synchronized void permissionRequested(PermissionRequest request) {
    asked.add(request);
    notifyAll();
  }

  @Override
  public synchronized void permissionResolved(PermissionResolved permission) {
    resolved.add(permission);
    notifyAll();
  }

  @Override
  public synchronized void progress() {
    progress++;
  }

  @Override
  public synchronized void late(ObjectNode update) {
    late.add(update);
    notifyAll();
  }

  synchronized String text() {
    StringBuilder text = new StringBuilder();
    updates.forEach(u -> text.append(u.path("content").path("text").asString("")));
    return text.toString();
  }

  /** Waits until something recorded makes the condition true. */
  synchronized void await(BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + DEADLINE.toNanos();
    while (!condition.getAsBoolean()) {
      long left = (deadline - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        throw new AssertionError("not within " + DEADLINE + "; recorded: " + updates);
      }
      wait(left);
    }
  }
}
