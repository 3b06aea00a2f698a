package io.turnkeeper.worker;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Refusal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every worker of this replica, and the warden that kills them when the replica cannot. Linux only:
 * processes are found in /proc and led by setsid.
 */
public final class Workers implements WorkerPool, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Workers.class);

  private final WorkersConfig config;
  private final Starter starter;
  private final WardenLink warden;
  private final Spawner spawner = new Spawner();
  private final Watch watch;
  private final Set<Worker> workers = ConcurrentHashMap.newKeySet();
  private final AtomicLong nextChild = new AtomicLong();
  private final AtomicLong killings = new AtomicLong();
  private volatile boolean closed;

  private Workers(WorkersConfig config, WardenLink warden, Starter starter, Watch watch) {
    this.config = config;
    this.warden = warden;
    this.starter = starter;
    this.watch = watch;
  }

  /**
   * Starts the warden, and finds out which walls there are.
   *
   * @throws IllegalStateException when the machine lacks setsid; says what to install
   * @throws Refusal when a wall that must be there is not; says what to do
   */
  public static Workers open(WorkersConfig config, Clock clock) {
    Programs.Found programs = Programs.find();
    WardenLink warden = new WardenLink(programs.setsid().toString(), config, clock);
    warden.start();
    try {
      Probe.Found found = new Probe(programs, config.walls(), config.at()).run();
      demand(config.walls(), found);
      return new Workers(config, warden, found.starter(), new Watch(clock));
    } catch (RuntimeException | Error failed) {
      warden.close();
      throw failed;
    }
  }

  /** What is wanted must be there; what could be there and is not is said once. */
  private static void demand(Walls walls, Probe.Found found) {
    if (found.starter().sandbox().isPresent() || walls.equals(Walls.none())) {
      return;
    }
    if (walls.sandbox() == Walls.Mode.BUBBLEWRAP || !walls.network()) {
      throw new Refusal.Invalid(
          "sandbox_missing",
          "worker.sandbox",
          "workers cannot be closed in here: "
              + (found.whyNot().isEmpty() ? "worker.sandbox is none" : found.whyNot())
              + "; see turnkeeper doctor");
    }
    if (walls.sandbox() == Walls.Mode.AUTO) {
      LOG.warn("workers run without a sandbox: {}; see turnkeeper doctor", found.whyNot());
    }
  }

  /** Which walls there would be for a replica with this configuration, on this machine. */
  public static List<Wall> examine(Walls walls, Path data) {
    return new Doctor(walls, data).examine();
  }

  @Override
  public Worker start(WorkerSpec spec, @Nullable Session previous, String transcript)
      throws WorkerFailure, InterruptedException {
    Worker worker =
        switch (spec.kind()) {
          case ACP ->
              AcpWorker.start(
                  config,
                  spawn(spec, Map.of(), previous == null ? null : previous.cwd(), true),
                  spec,
                  new AcpWorker.Remembered(previous, transcript));
          case COMMAND -> {
            AtomicBoolean first = new AtomicBoolean(true);
            yield new CommandWorker(
                extraEnv -> spawn(spec, extraEnv, null, first.getAndSet(false)),
                config,
                Secrets.inAnswers(spec.env()));
          }
        };
    workers.removeIf(other -> !other.alive());
    workers.add(worker);
    if (closed) {
      worker.kill();
      throw new WorkerFailure("worker_killed", "this replica is stopping");
    }
    return worker;
  }

  private Child spawn(
      WorkerSpec spec, Map<String, String> extraEnv, @Nullable String previousCwd, boolean first)
      throws WorkerFailure, InterruptedException {
    if (closed) {
      throw new WorkerFailure("worker_killed", "this replica is stopping");
    }
    warden.awaitReady();
    long before = killings.get();
    String marker = config.replica() + "." + nextChild.incrementAndGet() + ".";
    Child child =
        Child.spawn(
            new Child.Launch(spec, extraEnv, marker, previousCwd, first),
            new Child.With(starter, spawner, config, warden));
    watch.add(child);
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
    watch.close();
    warden.close();
    spawner.close();
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
