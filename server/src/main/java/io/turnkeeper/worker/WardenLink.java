package io.turnkeeper.worker;

import io.turnkeeper.base.Clock;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The replica's end of the pipe to its warden. Starts another warden when one dies, or does not
 * answer. Nobody waits for the pipe but a thread of its own: a warden that stands still must not
 * keep a replica from killing its workers itself.
 */
final class WardenLink implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WardenLink.class);
  private static final Duration READY_WITHIN = Duration.ofSeconds(20);
  private static final Duration END_WITHIN = Duration.ofSeconds(5);
  private static final long LOOK_AGAIN_MILLIS = 200;

  /** No warden needs so long for an answer, on whatever machine. */
  private static final Duration ANSWER_WITHIN_MIN = Duration.ofSeconds(2);

  private static final String END = "";

  private final String setsid;
  private final WorkersConfig config;
  private final Clock clock;
  private final Map<Long, ProcessTable.Leader> leaders = new HashMap<>();
  private @Nullable Process process;

  /** What the warden is to be told; its thread ends with {@link #END}, or with the warden. */
  private BlockingQueue<String> outbox = new LinkedBlockingQueue<>();

  /** When the oldest beat was sent that has not been answered. */
  private OptionalLong unansweredNanos = OptionalLong.empty();

  private OptionalLong lastBeatNanos = OptionalLong.empty();
  private boolean ready;
  private boolean closed;

  WardenLink(String setsid, WorkersConfig config, Clock clock) {
    this.setsid = setsid;
    this.config = config;
    this.clock = clock;
  }

  /** Two thirds of the TTL: workers are gone before another replica may take over. */
  private long silenceMillis() {
    return config.ttl().toMillis() * 2 / 3;
  }

  synchronized void start() {
    ready = false;
    ProcessBuilder builder =
        new ProcessBuilder(
            setsid,
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx16m",
            "-Xss256k",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            ownClassPath(),
            Warden.class.getName(),
            config.replica() + ".",
            Long.toString(silenceMillis()),
            config.at().toString()); // for people and for tests: it is not read
    builder.environment().clear();
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    try {
      Process started = builder.start();
      process = started;
      outbox.add(END);
      BlockingQueue<String> told = new LinkedBlockingQueue<>();
      outbox = told;
      unansweredNanos = OptionalLong.empty();
      // Platform threads: each blocks on a pipe.
      Thread.ofPlatform().daemon().name("warden").start(() -> listen(started));
      Thread.ofPlatform().daemon().name("warden-beats").start(() -> tell(started, told));
      sendBeat();
      leaders.values().forEach(this::sendAdd);
    } catch (IOException e) {
      throw new UncheckedIOException("the warden cannot be started", e);
    }
  }

  private static String ownClassPath() {
    try {
      return Path.of(Warden.class.getProtectionDomain().getCodeSource().getLocation().toURI())
          .toString();
    } catch (URISyntaxException e) {
      throw new IllegalStateException("no class path for the warden", e);
    }
  }

  private void listen(Process started) {
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(started.getInputStream(), StandardCharsets.US_ASCII))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        said(started, line);
      }
    } catch (IOException e) {
      LOG.debug("the warden's pipe broke", e);
    }
    died(started);
  }

  private synchronized void said(Process started, String line) {
    switch (line) {
      case Warden.HEARD -> {
        if (process == started) {
          unansweredNanos = OptionalLong.empty();
        }
      }
      case "ready" -> {
        ready = true;
        notifyAll();
      }
      default -> LOG.warn("the warden {}", line);
    }
  }

  private static void tell(Process to, BlockingQueue<String> lines) {
    try (OutputStream out = to.getOutputStream()) {
      for (String line = lines.take(); !line.equals(END); line = lines.take()) {
        out.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
        out.flush();
      }
    } catch (IOException e) {
      LOG.debug("the warden does not read", e); // its end is noticed on its stdout
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void died(Process started) {
    if (closed || process != started) {
      return;
    }
    if (!ready) {
      LOG.error("the warden ended before it was ready");
      return; // no endless restarts of what cannot run: the next agent to start tries again
    }
    LOG.warn("the warden died; starting another");
    start();
  }

  /** Waits until a warden watches; starts one when there is none. */
  synchronized void awaitReady() throws WorkerFailure, InterruptedException {
    Process current = process;
    if (!closed && (current == null || !current.isAlive())) {
      start();
    }
    long deadline = clock.nanos() + READY_WITHIN.toNanos();
    while (!ready && !closed) {
      long left = TimeUnit.NANOSECONDS.toMillis(deadline - clock.nanos());
      Process started = process;
      if (left <= 0 || started == null || !started.isAlive()) {
        throw new WorkerFailure("worker_start_failed", "this replica's warden does not run");
      }
      wait(Math.min(left, LOOK_AGAIN_MILLIS));
    }
  }

  synchronized void add(ProcessTable.Leader leader) {
    leaders.put(leader.pid(), leader);
    sendAdd(leader);
  }

  private void sendAdd(ProcessTable.Leader leader) {
    send("add " + leader.pid() + " " + leader.startTicks());
  }

  synchronized void remove(ProcessTable.Leader leader) {
    if (leaders.remove(leader.pid(), leader)) {
      send("remove " + leader.pid());
    }
  }

  synchronized void beat(Duration ago) {
    long now = clock.nanos();
    lastBeatNanos = OptionalLong.of(now - ago.toNanos());
    Process current = process;
    if (current != null && ready && unansweredNanos.isPresent()) {
      long within = Math.max(ANSWER_WITHIN_MIN.toMillis(), silenceMillis());
      if (TimeUnit.NANOSECONDS.toMillis(now - unansweredNanos.getAsLong()) > within) {
        LOG.warn("the warden does not answer: ending it");
        unansweredNanos = OptionalLong.empty();
        current.destroyForcibly();
        return; // the next one is told when it starts
      }
    } else if (ready) {
      unansweredNanos = OptionalLong.of(now);
    }
    sendBeat();
  }

  /** With its age: an answer that was long under way gives no more time than one that was not. */
  private void sendBeat() {
    lastBeatNanos.ifPresent(
        at -> send("beat " + TimeUnit.NANOSECONDS.toMillis(clock.nanos() - at)));
  }

  synchronized List<ProcessTable.Leader> all() {
    return List.copyOf(leaders.values());
  }

  private void send(String line) {
    if (process != null && !closed) {
      outbox.add(line);
    }
  }

  /** Ends the warden, which kills what is still there. */
  @Override
  public void close() {
    Process current;
    synchronized (this) {
      closed = true;
      current = process;
      outbox.add(END);
      notifyAll();
    }
    if (current == null) {
      return;
    }
    try {
      if (!current.waitFor(END_WITHIN.toMillis(), TimeUnit.MILLISECONDS)) {
        current.destroyForcibly();
      }
    } catch (InterruptedException e) {
      current.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
