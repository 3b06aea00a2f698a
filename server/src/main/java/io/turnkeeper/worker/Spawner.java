package io.turnkeeper.worker;

import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Threads that start processes and live as long as the replica. A process in a sandbox is killed
 * when the thread that started it ends, which is how it dies with a replica that is killed.
 */
final class Spawner implements AutoCloseable {
  private static final int THREADS = 4;

  private final ExecutorService threads =
      Executors.newFixedThreadPool(
          THREADS, Thread.ofPlatform().daemon().name("worker-start-", 0).factory());

  /** Not interruptible: a process that was started is always known. */
  Process start(ProcessBuilder builder) throws IOException {
    Future<Process> started = threads.submit(builder::start);
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return started.get();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case IOException failed -> throw failed;
        case RuntimeException failed -> throw failed;
        case null, default -> throw new IllegalStateException(e);
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** For when all that was started is gone. */
  @Override
  public void close() {
    threads.shutdown();
  }
}
