package io.turnkeeper.worker;

import io.turnkeeper.base.Clock;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Every worker of this replica, and the warden that kills them when the replica cannot. Linux only:
 * processes are found in /proc and led by setsid.
 */
public final class Workers implements WorkerPool, AutoCloseable {
  private final WorkersConfig config;
  private final Path setsid;
  private final WardenLink warden;
  private final Set<Worker> workers = ConcurrentHashMap.newKeySet();
  private final AtomicLong nextChild = new AtomicLong();
  private final AtomicLong killings = new AtomicLong();
  private volatile boolean closed;

  private Workers(WorkersConfig config, Clock clock, Path setsid) {
    this.config = config;
    this.setsid = setsid;
    warden = new WardenLink(setsid.toString(), config, clock);
  }

  /**
   * Starts the warden.
   *
   * @throws IllegalStateException when the machine lacks setsid; says what to install
   */
  public static Workers open(WorkersConfig config, Clock clock) {
    Path setsid =
        Programs.setsid()
            .orElseThrow(() -> new IllegalStateException("setsid is missing: install util-linux"));
    Workers workers = new Workers(config, clock, setsid);
    workers.warden.start();
    return workers;
  }

  @Override
  public Worker start(WorkerSpec spec, @Nullable Session previous, String transcript)
      throws WorkerFailure, InterruptedException {
    Worker worker =
        switch (spec.kind()) {
          case ACP ->
              AcpWorker.start(
                  config,
                  spawn(spec, Map.of()),
                  spec,
                  new AcpWorker.Remembered(previous, transcript));
          case COMMAND ->
              new CommandWorker(
                  extraEnv -> spawn(spec, extraEnv), config, Secrets.inAnswers(spec.env()));
        };
    workers.removeIf(other -> !other.alive());
    workers.add(worker);
    if (closed) {
      worker.kill();
      throw new WorkerFailure("worker_killed", "this replica is stopping");
    }
    return worker;
  }

  private Child spawn(WorkerSpec spec, Map<String, String> extraEnv)
      throws WorkerFailure, InterruptedException {
    if (closed) {
      throw new WorkerFailure("worker_killed", "this replica is stopping");
    }
    warden.awaitReady();
    long before = killings.get();
    String marker = config.replica() + "." + nextChild.incrementAndGet() + ".";
    Child child = Child.spawn(new Child.Launch(spec, extraEnv, marker, setsid), config, warden);
    if (killings.get() != before) {
      // It may have been too young to be found.
      child.kill();
      throw new WorkerFailure("worker_killed", "the replica ended all its workers");
    }
    return child;
  }

  /**
   * Tells the warden that the lease is confirmed. Without it every worker dies: see the config.
   *
   * @param ago when what was confirmed had been sent: silence is counted from then
   */
  public void beat(Duration ago) {
    warden.beat(ago);
  }

  @Override
  public void killAll() {
    killings.incrementAndGet();
    workers.forEach(Worker::retire);
    ProcessTable.kill(warden.all(), config.replica() + ".");
  }

  /** Closes every worker, all at the same time, then ends the warden. */
  @Override
  public void close() {
    closed = true;
    onEach(Worker::close);
    warden.close();
  }

  private void onEach(Consumer<Worker> action) {
    List<Thread> threads = new ArrayList<>();
    for (Worker worker : workers) {
      threads.add(Thread.ofVirtual().start(() -> action.accept(worker)));
    }
    for (Thread thread : threads) {
      boolean interrupted = false;
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    workers.removeIf(worker -> !worker.alive());
  }
}
