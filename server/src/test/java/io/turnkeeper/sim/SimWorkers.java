package io.turnkeeper.sim;

import io.turnkeeper.base.Json;
import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.Restore;
import io.turnkeeper.worker.Session;
import io.turnkeeper.worker.Turn;
import io.turnkeeper.worker.TurnEnd;
import io.turnkeeper.worker.TurnListener;
import io.turnkeeper.worker.Worker;
import io.turnkeeper.worker.WorkerFailure;
import io.turnkeeper.worker.WorkerPool;
import io.turnkeeper.worker.WorkerSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** The agents of one process. They do what the simulator says, when it says so. */
final class SimWorkers implements WorkerPool {
  private final SimProcess process;
  final List<Agent> all = new ArrayList<>();

  SimWorkers(SimProcess process) {
    this.process = process;
  }

  @Override
  public Worker start(WorkerSpec spec, @Nullable Session previous, String transcript)
      throws WorkerFailure, InterruptedException {
    Agent agent = new Agent(spec.home(), previous != null);
    all.removeIf(other -> !other.alive());
    all.add(agent);
    try {
      agent.started.get();
    } catch (InterruptedException stopped) {
      agent.gone("worker_killed");
      throw stopped;
    } catch (ExecutionException failed) {
      agent.gone("worker_killed");
      throw new WorkerFailure("worker_start_failed", "as the simulator wanted");
    }
    return agent;
  }

  @Override
  public void killAll() {
    allGone();
  }

  /** Their processes end here and now, whatever their replica knows of it. */
  void allGone() {
    List.copyOf(all).forEach(agent -> agent.gone("worker_killed"));
  }

  /** One agent's process. */
  final class Agent implements Worker {
    final CompletableFuture<Boolean> started = new CompletableFuture<>();
    private final Path memory;
    final String conversation;
    private final boolean restored;
    private boolean alive = true;
    private boolean cancelled;
    private @Nullable CompletableFuture<TurnEnd> end;
    private @Nullable Turn turn;
    private @Nullable TurnListener listener;
    private @Nullable Actor speaking;
    private int said;

    private Agent(Path home, boolean restored) {
      this.memory = home.resolve("memory");
      // data/conversations/ORGANIZATION/KEY/state/home
      this.conversation = home.getName(home.getNameCount() - 3).toString();
      this.restored = restored;
      process.engine().checker().workerStarted(process, this);
    }

    String conversation() {
      return conversation;
    }

    /** What it knows of earlier turns: the run whose end it last remembered. */
    String remembers() {
      try {
        return Files.readSymbolicLink(memory).toString();
      } catch (NoSuchFileException nothing) {
        return "";
      } catch (IOException failed) {
        throw new UncheckedIOException(failed);
      }
    }

    private void remember(String run) {
      try {
        Files.createDirectories(memory.getParent());
        Files.deleteIfExists(memory);
        Files.createSymbolicLink(memory, Path.of(run));
      } catch (IOException failed) {
        throw new UncheckedIOException(failed);
      }
    }

    boolean starting() {
      return alive && !started.isDone();
    }

    boolean prompted() {
      return alive && end != null && (speaking == null || speaking.done());
    }

    boolean cancelled() {
      return cancelled;
    }

    /** Says one more thing. */
    void speak() {
      TurnListener hears = listener;
      Turn now = turn;
      if (hears == null || now == null) {
        return;
      }
      said++;
      String words = process.name + "/" + now.attempt() + "/" + said + " ";
      process.engine().checker().said(now, words);
      ObjectNode update = Json.object().put("sessionUpdate", "agent_message_chunk");
      update.set("content", Json.object().put("type", "text").put("text", words));
      speaking =
          new Actor(
                  process,
                  Actor.Kind.OTHER,
                  "agent of " + process.name,
                  () -> {
                    hears.progress();
                    hears.update(update);
                  })
              .start();
    }

    void end() {
      Turn now = turn;
      CompletableFuture<TurnEnd> ends = end;
      if (now == null || ends == null) {
        return;
      }
      end = null;
      if (cancelled) {
        ends.complete(new TurnEnd.Cancelled());
      } else {
        remember(now.runId());
        ends.complete(new TurnEnd.Ended("end_turn", null));
      }
    }

    void fail() {
      CompletableFuture<TurnEnd> ends = end;
      end = null;
      if (ends != null) {
        ends.complete(new TurnEnd.Failed("agent_error", "as the simulator wanted"));
      }
    }

    /** Its process is no more. */
    void gone(String code) {
      if (!alive) {
        return;
      }
      alive = false;
      process.engine().checker().workerEnded(process, this);
      started.completeExceptionally(new IllegalStateException("gone"));
      CompletableFuture<TurnEnd> ends = end;
      end = null;
      if (ends != null) {
        ends.complete(new TurnEnd.Failed(code, "its process is gone"));
      }
    }

    @Override
    public Restore restored() {
      return restored ? Restore.LOAD : Restore.NONE;
    }

    @Override
    public Optional<Session> session() {
      return Optional.of(new Session("s", "/"));
    }

    @Override
    public TurnEnd prompt(Turn next, TurnListener hears) throws InterruptedException {
      if (!alive) {
        return new TurnEnd.Failed("worker_died", "its process is gone");
      }
      process.engine().checker().prompted(next);
      CompletableFuture<TurnEnd> ends = new CompletableFuture<>();
      turn = next;
      listener = hears;
      said = 0;
      cancelled = false;
      end = ends;
      try {
        return ends.get();
      } catch (ExecutionException failed) {
        throw new IllegalStateException(failed);
      } finally {
        listener = null;
      }
    }

    @Override
    public void cancel() {
      cancelled = true;
    }

    @Override
    public Answered answer(String permissionId, PermissionAnswer answer) {
      return Answered.GONE;
    }

    @Override
    public boolean alive() {
      return alive;
    }

    @Override
    public long residentBytes() {
      return 1;
    }

    @Override
    public void kill() {
      gone("worker_killed");
    }

    @Override
    public void close() {
      gone("worker_killed");
    }
  }
}
