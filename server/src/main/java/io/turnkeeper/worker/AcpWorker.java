package io.turnkeeper.worker;

import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.worker.AcpProtocol.Happening;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A process that speaks the Agent Client Protocol, and the threads on its pipes. */
final class AcpWorker implements Worker {
  private static final Logger LOG = LoggerFactory.getLogger(AcpWorker.class);
  private static final String END_OF_INPUT = "";
  private static final int SHOWN_CHARS = 300;

  /** After the exit, for the rest of stdout. Its other holders are dead by then. */
  private static final Duration DRAIN_WITHIN = Duration.ofSeconds(2);

  private static final Duration INPUT_GRACE = Duration.ofMillis(500);

  /** One turn in flight. */
  private static final class Flight {
    final DiscreetListener listener;
    final CompletableFuture<TurnEnd> end = new CompletableFuture<>();
    @Nullable TurnEnd heldEnd;
    boolean cancelling;

    Flight(DiscreetListener listener) {
      this.listener = listener;
    }
  }

  private final WorkersConfig config;
  private final Child child;
  private final Secrets secrets;
  private final String transcript;
  private final CompletableFuture<Happening> started = new CompletableFuture<>();

  /** Guards the protocol and the order of what it says. Never held while a listener runs. */
  private final ReentrantLock lock = new ReentrantLock();

  private final AcpProtocol protocol;
  private final Deque<Happening> undelivered = new ArrayDeque<>();
  private volatile @Nullable Flight flight;
  private volatile @Nullable Session session;
  private volatile Restore restored = Restore.NONE;
  private boolean transcriptDue;
  private boolean doomed;

  /** Held while a listener runs: one at a time, in order. */
  private final ReentrantLock delivery = new ReentrantLock();

  private final BlockingQueue<String> outbox = new LinkedBlockingQueue<>();
  private volatile long skipped;
  private volatile String firstSkipped = "";
  private volatile boolean spoke;
  private volatile boolean killed;
  private final Thread reader;

  private AcpWorker(WorkersConfig config, Child child, AcpProtocol protocol, Given given) {
    this.config = config;
    this.child = child;
    this.protocol = protocol;
    this.secrets = given.secrets();
    this.transcript = given.transcript();
    reader = child.pump("stdout", this::read);
    child.pump("stdin", this::write);
    Thread.ofVirtual()
        .name("worker-" + child.pid() + "-exit")
        .start(LogField.handedOn(this::awaitDeath));
  }

  private record Given(Secrets secrets, String transcript) {}

  /** Starts the session; nothing is left running when this throws. */
  static AcpWorker start(WorkersConfig config, Child child, WorkerSpec spec, Remembered remembered)
      throws WorkerFailure, InterruptedException {
    AcpProtocol protocol =
        new AcpProtocol(
            spec.permissions(),
            new AcpProtocol.Start(
                child.workDir().toString(),
                remembered.previous(),
                !remembered.transcript().isEmpty()));
    Given given = new Given(Secrets.inAnswers(spec.env()), remembered.transcript());
    AcpWorker worker = new AcpWorker(config, child, protocol, given);
    boolean ready = false;
    try {
      worker.tell(protocol::begin);
      worker.awaitSession(spec.startTimeout());
      ready = true;
      return worker;
    } finally {
      if (!ready) {
        worker.kill();
      }
    }
  }

  /** What the conversation already holds. */
  record Remembered(@Nullable Session previous, String transcript) {}

  private void awaitSession(Duration within) throws WorkerFailure, InterruptedException {
    Happening outcome;
    try {
      outcome = started.get(within.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new WorkerFailure("worker_start_timeout", startTimeout(within));
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    }
    switch (outcome) {
      case Happening.Ready(Session ready, Restore how) -> {
        lock.lock();
        try {
          session = ready;
          restored = how;
          transcriptDue = how == Restore.REPLAY;
          if (protocol.restoredInVain()) {
            LOG.warn("the agent did not bring its session back; restored as {}", how);
          }
        } finally {
          lock.unlock();
        }
      }
      case Happening.StartFailed(String code, String message) ->
          throw new WorkerFailure(code, child.stderr().redact(message));
      default -> throw new IllegalStateException("not an outcome of a start: " + outcome);
    }
  }

  private String startTimeout(Duration within) {
    String what;
    if (spoke) {
      what = "the agent did not open a session within " + within.toMillis() + " ms";
    } else if (skipped > 0) {
      what =
          "the agent printed no protocol message within "
              + within.toMillis()
              + " ms, but: "
              + firstSkipped
              + "; does its command need a flag such as --acp?";
    } else {
      what =
          "the agent printed nothing within "
              + within.toMillis()
              + " ms; does its command need a flag such as --acp?";
    }
    return what + child.quotedStderr();
  }

  // ---- the pipes

  private void read() {
    try (var in = child.stdout()) {
      Lines lines =
          new Lines(
              in,
              config.lineBytesMax(),
              size -> LOG.warn("skipped a line of {} bytes from process {}", size, child.pid()));
      for (String line = lines.next(); line != null; line = lines.next()) {
        String next = line;
        tell(() -> protocol.line(next));
        if (lines.quiet()) {
          releaseEnd();
        }
      }
    } catch (IOException e) {
      LOG.debug("stdout of process {} broke", child.pid(), e);
    } catch (RuntimeException | Error e) {
      LOG.error("reading process {} failed; it is killed", child.pid(), e);
      kill();
    }
    releaseEnd();
  }

  private void write() {
    try (OutputStream out = child.stdin()) {
      while (true) {
        String line = outbox.take();
        if (line.equals(END_OF_INPUT)) {
          return;
        }
        out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
      }
    } catch (IOException e) {
      LOG.debug("process {} does not read", child.pid(), e); // its exit says the rest
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Watches the process itself: the end of its pipes may never come. */
  private void awaitDeath() {
    try {
      int code = child.awaitExit();
      child.kill();
      reader.join(DRAIN_WITHIN);
      String message = "the agent " + child.obituary(code);
      WorkerFailure verdict = child.verdict();
      tell(() -> {
        if (verdict != null) {
          protocol.over(verdict.code(), String.valueOf(verdict.getMessage()));
        } else {
          protocol.over(
              killed ? "worker_killed" : "worker_died",
              killed ? "the replica ended the agent's process" : message);
        }
      });
      releaseEnd();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      outbox.add(END_OF_INPUT);
    }
  }

  // ---- from the protocol to whoever listens

  /** Does something to the protocol, sends what it wants sent, tells what it has to tell. */
  private void tell(Runnable action) {
    lock.lock();
    try {
      action.run();
      outbox.addAll(protocol.takeLines());
      undelivered.addAll(protocol.takeHappenings());
    } finally {
      lock.unlock();
    }
    deliver();
  }

  private void deliver() {
    delivery.lock();
    try {
      while (true) {
        Happening next;
        Flight current;
        lock.lock();
        try {
          next = undelivered.poll();
          current = flight;
        } finally {
          lock.unlock();
        }
        if (next == null) {
          return;
        }
        deliver(next, current);
      }
    } finally {
      delivery.unlock();
    }
  }

  private void deliver(Happening happening, @Nullable Flight current) {
    if (happening instanceof Happening.Skipped(String why, String line)) {
      noteSkipped(why, line);
      return;
    }
    spoke = true;
    if (happening instanceof Happening.Ready || happening instanceof Happening.StartFailed) {
      started.complete(happening);
      return;
    }
    if (current == null) {
      return;
    }
    try {
      tell(happening, current);
    } catch (RuntimeException e) {
      kill(); // first: whoever hears of the end may ask at once whether it is alive
      current.end.completeExceptionally(e);
    }
  }

  private void tell(Happening happening, Flight current) {
    TurnListener listener = current.listener;
    switch (happening) {
      case Happening.Update(var update) -> {
        listener.progress();
        listener.update(update);
      }
      case Happening.Late(var update) -> {
        if (current.end.isDone()) {
          listener.late(update);
        } else {
          listener.update(update); // right behind the end: it belongs to the turn
        }
      }
      case Happening.Asked(var request) -> {
        listener.progress();
        listener.permissionRequested(request);
      }
      case Happening.Resolved(var resolved) -> listener.permissionResolved(resolved);
      case Happening.Ended(var end) -> current.heldEnd = redacted(end);
      case Happening.Skipped _, Happening.Ready _, Happening.StartFailed _ -> {}
    }
  }

  private TurnEnd redacted(TurnEnd end) {
    return end instanceof TurnEnd.Failed(String code, String message)
        ? new TurnEnd.Failed(code, child.stderr().redact(message))
        : end;
  }

  /** Some agents send the end before the last words: it is told once nothing more is waiting. */
  private void releaseEnd() {
    delivery.lock();
    try {
      Flight current = flight;
      TurnEnd held = current == null ? null : current.heldEnd;
      if (current != null && held != null) {
        flush(current);
        current.end.complete(held);
      }
    } finally {
      delivery.unlock();
    }
  }

  private void flush(Flight current) {
    try {
      current.listener.flush();
    } catch (RuntimeException e) {
      kill();
      current.end.completeExceptionally(e);
    }
  }

  private void noteSkipped(String why, String line) {
    String start = line.length() <= SHOWN_CHARS ? line : line.substring(0, SHOWN_CHARS) + "…";
    String shown = child.stderr().redact(start);
    if (skipped == 0) {
      firstSkipped = shown;
    }
    skipped++;
    LOG.debug("skipped a line from process {} ({}): {}", child.pid(), why, shown);
  }

  // ---- the front door

  @Override
  public Restore restored() {
    return restored;
  }

  @Override
  public Optional<Session> session() {
    return Optional.ofNullable(session);
  }

  @Override
  public TurnEnd prompt(Turn turn, TurnListener listener) throws InterruptedException {
    Flight mine = new Flight(new DiscreetListener(secrets, listener));
    lock.lock();
    try {
      Flight before = flight;
      if (before != null && !before.end.isDone()) {
        throw new IllegalStateException("a turn is already running");
      }
      if (!protocol.idle() || doomed) {
        return new TurnEnd.Failed("worker_died", "the agent's process has ended before this turn");
      }
      var blocks = Prompts.blocks(turn, transcriptDue ? transcript : "", protocol::takes);
      transcriptDue = false;
      flight = mine;
      protocol.prompt(blocks, Prompts.meta(turn), turn.attempt());
      outbox.addAll(protocol.takeLines());
    } finally {
      lock.unlock();
    }
    try {
      return mine.end.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException r ? r : new IllegalStateException(e);
    } catch (InterruptedException e) {
      kill();
      throw e;
    }
  }

  @Override
  public void cancel() {
    Flight current;
    lock.lock();
    try {
      current = flight;
      if (current == null || current.end.isDone() || current.cancelling) {
        return;
      }
      current.cancelling = true;
      protocol.cancel();
      outbox.addAll(protocol.takeLines());
      undelivered.addAll(protocol.takeHappenings());
    } finally {
      lock.unlock();
    }
    Thread.ofVirtual().name("worker-" + child.pid() + "-cancel").start(() -> ladder(current));
  }

  private void ladder(Flight current) {
    // Aside: a listener that hangs must not hold up the escalation.
    Thread.ofVirtual().start(this::deliver);
    if (ended(current, config.cancelGrace())) {
      return;
    }
    lock.lock();
    try {
      doomed = true; // whatever it answers to TERM, it is not used again
    } finally {
      lock.unlock();
    }
    child.term();
    if (!ended(current, config.termGrace())) {
      child.kill();
    }
  }

  private static boolean ended(Flight current, Duration within) {
    try {
      current.end.get(within.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (ExecutionException e) {
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  @Override
  public Answered answer(String permissionId, PermissionAnswer answer) {
    Answered[] answered = new Answered[1];
    tell(() -> answered[0] = protocol.answer(permissionId, answer));
    return answered[0];
  }

  @Override
  public boolean alive() {
    lock.lock();
    try {
      return !doomed && !killed && child.isAlive();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public long residentBytes() {
    return child.isAlive() ? child.residentBytes() : 0;
  }

  @Override
  public void kill() {
    retire();
    child.kill();
  }

  @Override
  public void retire() {
    killed = true;
  }

  @Override
  public void close() {
    killed = true;
    outbox.add(END_OF_INPUT);
    child.end(INPUT_GRACE, config.termGrace());
  }
}
