package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.AgentDefinition;
import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.queue.Run;
import io.turnkeeper.snapshot.Restored;
import io.turnkeeper.snapshot.Saved;
import io.turnkeeper.snapshot.SnapshotInfo;
import io.turnkeeper.snapshot.StateFiles;
import io.turnkeeper.telemetry.TraceContext;
import io.turnkeeper.worker.PermissionAnswer;
import io.turnkeeper.worker.Session;
import io.turnkeeper.worker.Turn;
import io.turnkeeper.worker.TurnEnd;
import io.turnkeeper.worker.Worker;
import io.turnkeeper.worker.WorkerFailure;
import io.turnkeeper.worker.WorkerSpec;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The worker of one lease with the files it works on: brings both back, keeps them warm, saves what
 * they came to.
 */
final class WorkerHost {
  private static final Logger log = LoggerFactory.getLogger(WorkerHost.class);

  /** Of many files with the same fault, as many as a person wants to read. */
  private static final int FILES_NAMED = 3;

  private final Tools tools;
  private final LeaseToken lease;
  private final LeaseWrites writes;
  private final ConversationFiles files;
  private final Starting starting;
  private final RunPass pass;
  private volatile @Nullable Worker worker;
  private volatile boolean killed;
  private int workerVersion;
  private Duration idleTimeout = Duration.ZERO;

  /**
   * @param starting told when the start of a worker begins and when it has ended; false means not
   *     to start
   */
  WorkerHost(Tools tools, LeaseToken lease, Starting starting, LeaseWrites writes) {
    this.writes = writes;
    this.starting = starting;
    this.tools = tools;
    this.lease = lease;
    this.files = new ConversationFiles(tools.data(), lease.conversation());
    this.pass = new RunPass(tools, lease, files);
  }

  static ActiveRun.AgentLimits limits(AgentDefinition definition) {
    return new ActiveRun.AgentLimits(
        WorkerSpec.Permissions.valueOf(definition.permissions().name()),
        definition.timeouts().run(),
        definition.timeouts().progress(),
        definition.timeouts().permission());
  }

  /**
   * Makes a worker ready for the run: the warm one, or a new one on the newest snapshot's files.
   * Answers how its memory came back.
   */
  String ready(Run run, Serving agent) throws WorkerFailure, InterruptedException {
    AgentDefinition definition = agent.definition();
    if (!definition.readable()) {
      throw new WorkerFailure(
          "secrets_key_missing",
          "this replica has not the key that the agent's variables are sealed with: set secrets.key");
    }
    Worker warm = worker;
    idleTimeout = definition.timeouts().idle();
    if (definition.kind() == AgentDefinition.Kind.REMOTE) {
      close();
      return elsewhere(run, definition);
    }
    if (warm != null && warm.alive() && workerVersion == agent.version()) {
      files.dirty();
      return "warm";
    }
    close();
    Session previous =
        writes.patiently(() -> Optional.ofNullable(restoreFiles(definition))).orElse(null);
    if (previous != null && !previous.cwd().equals(files.workDir().toString())) {
      log.warn(
          "the agent's session was in {}, and its files are in {} here: an agent that finds its"
              + " sessions by directory does not find this one; give all replicas the same --data",
          previous.cwd(),
          files.workDir());
    }
    files.ensure();
    files.dirty();
    // A command has no memory to bring back: nobody would read it.
    boolean remembers = definition.kind() != AgentDefinition.Kind.COMMAND;
    String transcript =
        remembers && run.turn() > 1 ? writes.patiently(() -> Transcripts.before(tools, run)) : "";
    Worker started = start(spec(definition), previous, transcript);
    workerVersion = agent.version();
    worker = started;
    if (killed) {
      started.kill();
    }
    return started.restored().name().toLowerCase(Locale.ROOT);
  }

  /** Waits until a worker from elsewhere has the run: its files and its memory are its own. */
  private String elsewhere(Run run, AgentDefinition definition)
      throws WorkerFailure, InterruptedException {
    RemoteWorker remote =
        new RemoteWorker(
            tools.desk(),
            lease,
            run,
            WorkerSpec.Permissions.valueOf(definition.permissions().name()));
    worker = remote;
    if (killed) {
      remote.kill();
    }
    begin();
    try {
      remote.offer();
    } finally {
      starting.tell(false);
    }
    return "remote";
  }

  /** What is worth knowing of the worker that has the run. */
  ObjectNode described(ObjectNode facts) {
    return worker instanceof RemoteWorker remote ? facts.put("worker", remote.name()) : facts;
  }

  private void begin() throws InterruptedException {
    if (!starting.tell(true)) {
      starting.tell(false);
      throw new InterruptedException("the run ended before its worker started");
    }
  }

  /** Told around the start of a worker. */
  @FunctionalInterface
  interface Starting {
    boolean tell(boolean begins);
  }

  private Worker start(WorkerSpec spec, @Nullable Session previous, String transcript)
      throws WorkerFailure, InterruptedException {
    begin();
    try {
      return tools.workers().start(spec, previous, transcript);
    } finally {
      starting.tell(false);
    }
  }

  TurnEnd prompt(Serving agent, ActiveRun now) throws InterruptedException {
    Worker live = worker;
    if (live == null) {
      return new TurnEnd.Failed("worker_died", "the worker is gone");
    }
    Run run = now.run();
    boolean interrupted =
        run.attempt() > 1 && agent.definition().onWorkerLoss() == OnWorkerLoss.RESUME;
    String token = live instanceof RemoteWorker ? null : pass.begin(run);
    try {
      return live.prompt(
          new Turn(
              run.id().toString(),
              run.conversation().id(),
              run.attempt(),
              interrupted,
              run.input(),
              token,
              traceparent(run)),
          now);
    } finally {
      pass.end();
    }
  }

  /** Called a few times a second while the agent works. */
  void renewPass(long nanos) {
    pass.renew(nanos);
  }

  /** The run has ended, and its log is whole. */
  void settled(Run run) {
    if (worker instanceof RemoteWorker) {
      tools.desk().settled(run);
    }
  }

  /** The request's place in its trace: what the agent does is a part of the same. */
  private static @Nullable String traceparent(Run run) {
    return TraceContext.parse(run.options().path("trace").path("traceparent").asString(null))
        .map(TraceContext::traceparent)
        .orElse(null);
  }

  void cancel() {
    Worker now = worker;
    if (now != null) {
      now.cancel();
    }
  }

  /**
   * A worker that is being started is killed as soon as it is there; one from elsewhere has no
   * process here that whoever calls this could kill.
   */
  void doom() {
    killed = true;
    if (worker instanceof RemoteWorker remote) {
      remote.kill();
    }
  }

  void kill() {
    doom();
    Worker now = worker;
    if (now != null) {
      now.kill();
    }
  }

  Worker.Answered answer(String permission, PermissionAnswer answer) {
    Worker now = worker;
    return now == null ? Worker.Answered.GONE : now.answer(permission, answer);
  }

  /** Whether a process waits here for the next turn. */
  boolean warm() {
    Worker now = worker;
    return now != null && now.alive() && now.session().isPresent();
  }

  Duration idleTimeout() {
    return idleTimeout;
  }

  long residentBytes() {
    Worker now = worker;
    return now == null ? 0 : now.residentBytes();
  }

  /** Stops the processes and waits until they are gone. */
  void close() {
    Worker now = worker;
    worker = null;
    if (now != null) {
      now.close();
    }
    killed = false;
  }

  /**
   * Saves the files as they are after the run; a snapshot that cannot be had is a warning on the
   * run, never a lost answer.
   */
  boolean save(ActiveRun now, AgentDefinition definition) {
    Worker live = worker;
    if (live instanceof RemoteWorker) {
      // The worker has sent what it wants kept, if anything.
      return true;
    }
    Optional<Session> session = live == null ? Optional.empty() : live.session();
    ObjectNode kept = Json.object();
    session.ifPresent(s -> kept.put("id", s.id()).put("cwd", s.cwd()));
    boolean[] unknown = {false};
    Saved saved;
    try {
      saved =
          writes.patiently(() -> {
            try {
              return tools
                  .snapshots()
                  .save(lease, now.run().id(), now.run().turn(), stateFiles(definition), kept);
            } catch (Refusal.Unavailable away) {
              unknown[0] = true;
              throw away;
            }
          });
    } catch (LeaseGone gone) {
      throw gone;
    } catch (RuntimeException failed) {
      log.warn("a snapshot failed", failed);
      saved = new Saved.Refused("it could not be written; the log says why");
    }
    return switch (saved) {
      case Saved.Stored stored -> {
        tools.meters().snapshot(stored.addedBytes());
        files.clean(now.run().id());
        if (!stored.cutShort().isEmpty()) {
          warn(now, "state_line_incomplete", incomplete(stored.cutShort()));
        }
        yield true;
      }
      case Saved.TooLarge tooLarge -> {
        warn(
            now,
            "snapshot_too_large",
            "the agent's files hold "
                + tooLarge.bytes()
                + " bytes; the limit is "
                + tooLarge.max()
                + ". The next run starts from the last snapshot that fitted.");
        yield false;
      }
      // A try whose outcome is unknown had stored it: whatever is there is the run's.
      case Saved.Exists exists when unknown[0] -> true;
      case Saved.Refused refused when unknown[0] -> true;
      case Saved.Exists exists -> {
        warn(now, "snapshot_failed", "the run has a snapshot already");
        yield false;
      }
      case Saved.Refused refused -> {
        warn(now, "snapshot_failed", refused.why());
        yield false;
      }
      case Saved.Stale stale -> false;
    };
  }

  private static String incomplete(List<String> files) {
    String named = files.stream().limit(FILES_NAMED).collect(Collectors.joining(", "));
    return "the last line of "
        + (files.size() > FILES_NAMED
            ? named + " and of " + (files.size() - FILES_NAMED) + " more files"
            : named)
        + " is cut off; the snapshot holds what is before it";
  }

  private static void warn(ActiveRun now, String code, String detail) {
    now.record(Kinds.WARNING, Json.object().put("code", code).put("detail", detail));
  }

  /** The files of the newest snapshot, unless they are what is here already. */
  private @Nullable Session restoreFiles(AgentDefinition definition) {
    Conversation conversation = lease.conversation();
    Optional<SnapshotInfo> newest = tools.snapshots().newest(conversation);
    if (newest.isEmpty()) {
      files.wipe();
      return null;
    }
    if (files.at().equals(Optional.of(newest.get().run()))) {
      return session(newest.get().session());
    }
    files.dirty();
    Optional<Restored> restored = tools.snapshots().restore(conversation, stateFiles(definition));
    return restored.map(done -> session(done.session())).orElse(null);
  }

  private static @Nullable Session session(ObjectNode kept) {
    return kept.has("id")
        ? new Session(kept.path("id").asString(), kept.path("cwd").asString())
        : null;
  }

  private StateFiles stateFiles(AgentDefinition definition) {
    return StateFiles.of(files.state(), definition.state());
  }

  private WorkerSpec spec(AgentDefinition definition) {
    Map<String, String> env = new HashMap<>(definition.env());
    env.putAll(tools.passes().environment(files));
    return new WorkerSpec(
        WorkerSpec.Kind.valueOf(definition.kind().name()),
        definition.command(),
        env,
        files.home(),
        files.workDir(),
        WorkerSpec.Permissions.valueOf(definition.permissions().name()),
        definition.timeouts().start());
  }
}
