package io.turnkeeper.sim;

import java.lang.reflect.Method;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * A thread of a simulated process: a virtual thread whose every stretch, from one wait to the next,
 * is run by the simulator when it chooses to.
 */
final class Actor {
  /** What it may wait for besides the database. */
  enum Kind {
    /** One step of a loop: waits for nothing that only another actor could bring about. */
    STEP,
    /** Everything else: may wait for other actors for as long as they like. */
    OTHER
  }

  private static final ThreadLocal<@Nullable Actor> CURRENT = new ThreadLocal<>();
  private static final Method NEW_THREAD = newThread();

  final SimProcess process;
  final Kind kind;
  final String name;
  private final Thread thread;
  private volatile boolean done;

  /** What it asks of the database and has no answer to yet. */
  volatile @Nullable Op op;

  Actor(SimProcess process, Kind kind, String name, Runnable task) {
    this.process = process;
    this.kind = kind;
    this.name = name;
    this.thread =
        create(
            process::resume,
            () -> {
              CURRENT.set(this);
              try {
                task.run();
              } finally {
                done = true;
              }
            });
    thread.setName(name);
  }

  static @Nullable Actor current() {
    return CURRENT.get();
  }

  Thread thread() {
    return thread;
  }

  Actor start() {
    thread.start();
    return this;
  }

  boolean done() {
    return done;
  }

  /** In the middle of a step, and waiting for something outside of the simulation to end. */
  boolean waitsOutside() {
    return kind == Kind.STEP && !done && op == null && thread.getState() != Thread.State.BLOCKED;
  }

  private static Thread create(Executor on, Runnable task) {
    try {
      return (Thread) NEW_THREAD.invoke(null, on, null, 0, task);
    } catch (ReflectiveOperationException failed) {
      throw new IllegalStateException(failed);
    }
  }

  private static Method newThread() {
    try {
      Method method =
          Class.forName("java.lang.ThreadBuilders")
              .getDeclaredMethod(
                  "newVirtualThread", Executor.class, String.class, int.class, Runnable.class);
      method.setAccessible(true);
      return method;
    } catch (ReflectiveOperationException | RuntimeException failed) {
      throw new IllegalStateException(
          "the simulator runs virtual threads on an executor of its own: start the JVM with"
              + " --add-opens java.base/java.lang=ALL-UNNAMED",
          failed);
    }
  }
}
