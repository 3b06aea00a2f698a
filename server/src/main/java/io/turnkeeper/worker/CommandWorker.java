package io.turnkeeper.worker;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A program that is run once per turn: the input as JSON on stdin, the answer on stdout, exit code
 * 0 or the turn failed.
 */
final class CommandWorker implements Worker {
  private static final Logger LOG = LoggerFactory.getLogger(CommandWorker.class);
  private static final Duration DRAIN_WITHIN = Duration.ofSeconds(2);

  static final String RUN_TOKEN = "TURNKEEPER_RUN_TOKEN";

  /** Starts one process with more variables in its environment. */
  interface Spawner {
    Child spawn(Map<String, String> extraEnv) throws WorkerFailure, InterruptedException;
  }

  private final Spawner spawner;
  private final WorkersConfig config;
  private final Secrets secrets;
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable Child child;
  private boolean running;
  private boolean cancelled;
  private boolean killed;

  CommandWorker(Spawner spawner, WorkersConfig config, Secrets secrets) {
    this.spawner = spawner;
    this.config = config;
    this.secrets = secrets;
  }

  @Override
  public Restore restored() {
    return Restore.NONE;
  }

  @Override
  public Optional<Session> session() {
    return Optional.empty();
  }

  @Override
  public TurnEnd prompt(Turn turn, TurnListener listener) throws InterruptedException {
    lock.lock();
    try {
      if (running) {
        throw new IllegalStateException("a turn is already running");
      }
      if (killed) {
        return new TurnEnd.Failed("worker_killed", "the worker has ended before this turn");
      }
      running = true;
      cancelled = false;
    } finally {
      lock.unlock();
    }
    try {
      return run(turn, listener);
    } catch (WorkerFailure e) {
      return new TurnEnd.Failed(e.code(), String.valueOf(e.getMessage()));
    } finally {
      lock.lock();
      try {
        running = false;
        child = null;
      } finally {
        lock.unlock();
      }
    }
  }

  private TurnEnd run(Turn turn, TurnListener listener) throws WorkerFailure, InterruptedException {
    Child mine = spawner.spawn(environment(turn));
    boolean stop;
    lock.lock();
    try {
      child = mine;
      stop = cancelled || killed;
    } finally {
      lock.unlock();
    }
    try {
      if (stop) {
        mine.kill();
      }
      AtomicReference<@Nullable RuntimeException> refused = new AtomicReference<>();
      mine.pump("stdin", () -> write(mine, turn));
      DiscreetListener discreet = new DiscreetListener(secrets.and(turn.runToken()), listener);
      Thread reader = mine.pump("stdout", () -> read(mine, discreet, refused));
      int code = mine.awaitExit();
      mine.kill();
      reader.join(DRAIN_WITHIN);
      RuntimeException listenerFailed = refused.get();
      if (listenerFailed != null) {
        throw listenerFailed;
      }
      return end(mine, code);
    } finally {
      mine.kill();
    }
  }

  private static Map<String, String> environment(Turn turn) {
    Map<String, String> env = new HashMap<>();
    env.put("TURNKEEPER_RUN_ID", turn.runId());
    env.put("TURNKEEPER_THREAD_ID", turn.threadId());
    env.put("TURNKEEPER_ATTEMPT", Integer.toString(turn.attempt()));
    env.put("TURNKEEPER_INTERRUPTED", Boolean.toString(turn.interrupted()));
    if (turn.runToken() != null) {
      env.put(RUN_TOKEN, turn.runToken());
    }
    if (turn.traceparent() != null) {
      env.put("TRACEPARENT", turn.traceparent());
    }
    return env;
  }

  private TurnEnd end(Child mine, int code) throws InterruptedException {
    lock.lock();
    try {
      if (cancelled) {
        return new TurnEnd.Cancelled();
      }
      WorkerFailure verdict = mine.verdict();
      if (verdict != null) {
        return new TurnEnd.Failed(verdict.code(), String.valueOf(verdict.getMessage()));
      }
      if (killed) {
        return new TurnEnd.Failed("worker_killed", "the replica ended the command");
      }
    } finally {
      lock.unlock();
    }
    return code == 0
        ? new TurnEnd.Ended("end_turn", null)
        : new TurnEnd.Failed("command_failed", "the command " + mine.obituary(code));
  }

  private static void write(Child mine, Turn turn) {
    ObjectNode input = Json.object();
    input.put("run_id", turn.runId());
    input.put("thread_id", turn.threadId());
    input.put("attempt", turn.attempt());
    input.put("interrupted", turn.interrupted());
    input.put("text", Prompts.text(turn.input()));
    input.set(
        "messages",
        turn.input().path("messages").isMissingNode()
            ? Json.array()
            : turn.input().path("messages"));
    input.set("input", turn.input());
    try (OutputStream out = mine.stdin()) {
      out.write((Json.write(input) + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      LOG.debug("the command does not read its input", e); // it need not
    }
  }

  private static void read(
      Child mine, DiscreetListener listener, AtomicReference<@Nullable RuntimeException> refused) {
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    ByteBuffer bytes = ByteBuffer.allocate(8192);
    CharBuffer chars = CharBuffer.allocate(8192);
    try (InputStream in = mine.stdout()) {
      int n;
      do {
        n = in.read(bytes.array(), bytes.position(), bytes.remaining());
        bytes.position(bytes.position() + Math.max(0, n)).flip();
        decoder.decode(bytes, chars, n < 0);
        bytes.compact(); // a character may be cut: its rest comes with the next read
        if (n < 0) {
          decoder.flush(chars);
        }
        chars.flip();
        if (chars.hasRemaining()) {
          listener.progress();
          listener.update(chunk(Plain.text(chars.toString())));
        }
        chars.clear();
      } while (n >= 0);
      listener.flush();
    } catch (IOException e) {
      LOG.debug("stdout of process {} broke", mine.pid(), e);
    } catch (RuntimeException e) {
      refused.set(e);
      mine.kill();
    }
  }

  private static ObjectNode chunk(String text) {
    ObjectNode update = Json.object().put("sessionUpdate", "agent_message_chunk");
    update.putObject("content").put("type", "text").put("text", text);
    return update;
  }

  @Override
  public void cancel() {
    Child current;
    lock.lock();
    try {
      if (!running || cancelled) {
        return;
      }
      cancelled = true;
      current = child;
    } finally {
      lock.unlock();
    }
    if (current != null) {
      Thread.ofVirtual()
          .name("worker-" + current.pid() + "-cancel")
          .start(() -> current.end(Duration.ZERO, config.termGrace()));
    }
  }

  @Override
  public Answered answer(String permissionId, PermissionAnswer answer) {
    return Answered.GONE;
  }

  @Override
  public boolean alive() {
    lock.lock();
    try {
      return !killed;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public long residentBytes() {
    Child current = current();
    return current == null ? 0 : current.residentBytes();
  }

  private @Nullable Child current() {
    lock.lock();
    try {
      return child;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void kill() {
    retire();
    Child current = current();
    if (current != null) {
      current.kill();
    }
  }

  @Override
  public void retire() {
    lock.lock();
    try {
      killed = true;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    retire();
    Child current = current();
    if (current != null) {
      current.end(Duration.ZERO, config.termGrace());
    }
  }
}
