package io.turnkeeper.orchestrator;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.Held;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.remote.Arrival;
import io.turnkeeper.remote.Message;
import io.turnkeeper.remote.RemoteTurn;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.tokens.RunScope;
import io.turnkeeper.tokens.RunToken;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What workers from elsewhere, and the tools of this replica's own agents, are served from. What a
 * token may do is decided anew at each use, in the transaction that does it: that its run is under
 * way, under the token's epoch and in its attempt. So it works on any replica, and stops at once on
 * all of them.
 */
public final class WorkerPort {
  private static final int PENDING_SHOWN = 10;

  private final Tools tools;
  private final Elsewhere elsewhere;
  private final RemoteWork work;
  private final Custom custom;
  private final Runnable arrived;
  private final RemoteSnapshots snapshots;

  /** Writes an event of a run's own, where it is worked on. */
  @FunctionalInterface
  interface Custom {
    boolean write(long key, RunId run, int attempt, ObjectNode update);
  }

  /**
   * @param arrived told when there are more workers than before: work that waited may start
   */
  WorkerPort(Tools tools, Elsewhere elsewhere, Custom custom, Runnable arrived) {
    this.tools = tools;
    this.elsewhere = elsewhere;
    this.work = elsewhere.work();
    this.custom = custom;
    this.arrived = arrived;
    this.snapshots = new RemoteSnapshots(tools);
  }

  /**
   * Who connects.
   *
   * @param key the key that it showed
   * @param name unique among the agent's workers
   * @param capacity the most runs that it works on at once
   */
  public record Who(
      OrganizationId organization, AgentId agent, UUID key, String name, int capacity) {}

  /** For how long a worker may say nothing. */
  public Duration deadline() {
    return elsewhere.deadline();
  }

  /** Connects a worker, which stays until the link is closed. */
  public WorkerLink connect(Who who) {
    WorkerLink link = tools.desk().connect(arrival(who, Duration.ZERO), false);
    arrived.run();
    return link;
  }

  /**
   * As {@link #connect}, for a worker that asks again and again: it counts as there for a deadline
   * after it asked.
   *
   * @param wait how long it will stay
   */
  public Poll poll(Who who, Duration wait) {
    RemoteDesk.Connection link = tools.desk().connect(arrival(who, wait), true);
    arrived.run();
    return new Poll(link);
  }

  /** A worker's question for work. */
  public static final class Poll implements AutoCloseable {
    private final RemoteDesk.Connection link;

    private Poll(RemoteDesk.Connection link) {
      this.link = link;
    }

    /** At most so many runs, none when there are none now. */
    public List<Assignment> take(int max) {
      return link.take(max);
    }

    /** Waits until there may be something, at most so long. */
    public void await(Duration atMost) throws InterruptedException {
      link.await(atMost);
    }

    @Override
    public void close() {
      link.close();
    }
  }

  private Arrival arrival(Who who, Duration wait) {
    return new Arrival(
        who.organization(),
        who.agent(),
        who.key(),
        who.name(),
        who.capacity(),
        elsewhere.deadline().plus(wait));
  }

  /** The workers that are connected now, on whichever replica, by agent. */
  public Map<AgentId, RemoteWork.Crew> connected(OrganizationId organization) {
    return tools.desk().crews(organization);
  }

  /**
   * Accepts what the worker of a run said. Durable when this returns; what was accepted before is
   * not accepted twice, also after the run has ended.
   *
   * @return the number of the last message that was accepted
   * @throws Refusal.Invalid naming what is wrong with which
   * @throws Refusal.Conflict the token's run is not under way, or numbers are missing
   */
  public int respond(RunScope scope, ArrayNode events) {
    RunId run = run(scope);
    List<Message> messages = Messages.read(events);
    record Answer(int received, long key, boolean fresh) {}
    Answer answer =
        tools
            .db()
            .inTx(
                scope.organization(),
                tx -> {
                  Conversation conversation = owned(tx, scope, run).conversation();
                  RemoteTurn turn = remote(tx, scope, run);
                  int received = turn.received();
                  List<Message> fresh =
                      messages.stream().filter(it -> it.seq() > received).toList();
                  boolean mine = turn.epoch() == scope.epoch() && turn.attempt() == scope.attempt();
                  if (fresh.isEmpty() && mine && !messages.isEmpty()) {
                    return new Answer(received, conversation.key(), false);
                  }
                  Held held = live(tx, scope, run);
                  if (!mine || turn.state() != RemoteTurn.State.TAKEN) {
                    throw over();
                  }
                  if (fresh.isEmpty()) {
                    return new Answer(received, conversation.key(), false);
                  }
                  if (fresh.getFirst().seq() != received + 1) {
                    throw new Refusal.Conflict(
                        "events_missing", "the next event to send is number " + (received + 1));
                  }
                  work.say(
                      tx,
                      held.lease(),
                      run,
                      fresh,
                      new RemoteWork.Said(Messages.result(fresh) != null, elsewhere.deadline()));
                  return new Answer(fresh.getLast().seq(), conversation.key(), true);
                });
    if (answer.fresh()) {
      tools.desk().tellHolder(answer.key());
    }
    return answer.received();
  }

  /**
   * What a heartbeat is answered with.
   *
   * @param cancel why the run is to stop; null while it is not
   * @param answers of people, to what the worker asked
   * @param pending what waits in the same conversation behind this run, the first few
   * @param token a newer one
   */
  public record Beat(
      @Nullable String cancel, JsonNode answers, List<Run> pending, RunToken token) {}

  /**
   * The worker of a run lives. Renews its deadline and its token.
   *
   * @throws Refusal.Conflict the token's run is not under way
   */
  public Beat heartbeat(RunScope scope) {
    RunId run = run(scope);
    record Found(Run run, @Nullable RemoteTurn turn, List<Run> pending) {}
    Found found =
        tools
            .db()
            .inTx(
                scope.organization(),
                tx -> {
                  Run now = owned(tx, scope, run);
                  Optional<RemoteTurn> turn = work.lock(tx, scope.organization(), run);
                  Held held = live(tx, scope, run);
                  turn.ifPresent(it -> {
                    checkKey(it);
                    if (it.state() != RemoteTurn.State.TAKEN) {
                      throw over();
                    }
                    work.beat(tx, held.lease(), run, it, elsewhere.deadline());
                  });
                  return new Found(
                      now,
                      turn.orElse(null),
                      tools.queue().live(tx, scope.organization(), now.conversation().key()));
                });
    RemoteTurn turn = found.turn();
    return new Beat(
        turn == null ? found.run().cancelRequested() : turn.cancel(),
        turn == null ? Json.array() : turn.answers(),
        found.pending().stream()
            .filter(it -> it.status() == RunStatus.PENDING)
            .limit(PENDING_SHOWN)
            .toList(),
        elsewhere.tokens().sign(scope));
  }

  /**
   * The conversation so far, up to and with the run's own message.
   *
   * @throws Refusal.Conflict the token's run is not under way
   */
  public ArrayNode messages(RunScope scope) {
    RunId run = run(scope);
    Run now = tools.db().inTx(scope.organization(), tx -> held(tx, scope, run).run());
    return Transcripts.upTo(tools, now.organization(), now.conversation().key(), now.turn());
  }

  /**
   * Writes an event of an agent's own tool into its run's log; durable when this returns.
   *
   * @throws Refusal.Conflict the token's run is not under way, or not on this replica, or its
   *     worker is elsewhere and says what it has to say by itself
   */
  public void custom(RunScope scope, ObjectNode data) {
    RunId run = run(scope);
    Run now =
        tools
            .db()
            .inTx(
                scope.organization(),
                tx -> {
                  Run live = held(tx, scope, run).run();
                  if (work.lock(tx, scope.organization(), run).isPresent()) {
                    throw new Refusal.Conflict(
                        "remote_run",
                        "a worker from elsewhere sends its events to /worker/response");
                  }
                  return live;
                });
    try {
      if (!custom.write(now.conversation().key(), run, scope.attempt(), Messages.custom(data))) {
        throw new Refusal.Conflict(
            "other_replica", "ask the replica that runs it, at TURNKEEPER_URL");
      }
    } catch (LeaseGone gone) {
      throw over();
    }
  }

  /**
   * Keeps what the worker wants to find again in the conversation's next run.
   *
   * @param named the run that the request is about
   * @throws Refusal.Denied it is not the token's, or the run is not the token's to write for
   * @throws Refusal.Conflict the run is not under way, or has a snapshot already
   * @throws Refusal.TooLarge it is
   */
  public void putSnapshot(RunScope scope, RunId named, byte[] state) {
    RunId run = run(scope);
    if (!run.equals(named)) {
      throw new Refusal.Denied("out_of_scope", "the token is for another run");
    }
    Held held = tools.db().inTx(scope.organization(), tx -> remoteHeld(tx, scope, run));
    snapshots.put(held, state);
  }

  /**
   * The newest that was kept by a completed run of the conversation.
   *
   * @throws Refusal.NotFound there is none
   */
  public Kept snapshot(RunScope scope) {
    RunId run = run(scope);
    Held held = tools.db().inTx(scope.organization(), tx -> remoteHeld(tx, scope, run));
    return snapshots.newest(held.run().conversation());
  }

  /**
   * @param run after which it was kept
   */
  public record Kept(RunId run, long turn, byte[] state) {}

  /** Removes all that was kept: the conversation begins anew. */
  public void deleteSnapshots(RunScope scope) {
    RunId run = run(scope);
    tools
        .db()
        .useTx(
            scope.organization(),
            tx -> {
              Held held = remoteHeld(tx, scope, run);
              tools.snapshots().delete(tx, held.run().conversation());
            });
  }

  private static RunId run(RunScope scope) {
    RunId run = scope.run();
    if (run == null) {
      throw new Refusal.Denied("run_token_needed", "this needs the token of a run");
    }
    return run;
  }

  /** The run, if it is in the token's scope: one look by its primary key. */
  private Run owned(Tx tx, RunScope scope, RunId run) {
    return tools
        .queue()
        .run(tx, scope.organization(), run)
        .filter(
            it -> it.agent().equals(scope.agent()) && it.conversation().id().equals(scope.thread()))
        .orElseThrow(
            () -> new Refusal.Denied("out_of_scope", "the run is not in the scope of the token"));
  }

  private Held held(Tx tx, RunScope scope, RunId run) {
    Run unused = owned(tx, scope, run);
    return live(tx, scope, run);
  }

  /** Its lease, held until the transaction ends. */
  private Held live(Tx tx, RunScope scope, RunId run) {
    Held held = tools.queue().held(tx, scope.organization(), run).orElseThrow(WorkerPort::over);
    if (held.lease().epoch() != scope.epoch() || held.run().attempt() != scope.attempt()) {
      throw new Refusal.Conflict(
          "stale_epoch",
          "the run was given to another worker; this token is of an earlier attempt");
    }
    return held;
  }

  private Held remoteHeld(Tx tx, RunScope scope, RunId run) {
    Run unused = owned(tx, scope, run);
    RemoteTurn turn = remote(tx, scope, run);
    Held held = live(tx, scope, run);
    if (turn.state() != RemoteTurn.State.TAKEN) {
      throw over();
    }
    return held;
  }

  private RemoteTurn remote(Tx tx, RunScope scope, RunId run) {
    RemoteTurn turn =
        work.lock(tx, scope.organization(), run)
            .orElseThrow(() ->
                new Refusal.Denied(
                    "not_remote",
                    "this is for workers from elsewhere; the server runs this agent"));
    checkKey(turn);
    return turn;
  }

  private static void checkKey(RemoteTurn turn) {
    if (turn.keyRevoked()) {
      throw new Refusal.Unauthenticated("token_revoked", "the key behind the token was revoked");
    }
  }

  private static Refusal over() {
    return new Refusal.Conflict("run_over", "the run is not under way any more");
  }
}
