package io.turnkeeper.remote;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jdbi.v3.core.statement.SqlStatement;
import tools.jackson.databind.node.ObjectNode;

/**
 * Runs at workers that connect from elsewhere. The replica that holds a run's lease offers it; a
 * worker takes it, through whichever replica it is connected to; what it says waits here, numbered,
 * until the holder has written it into the run's log.
 *
 * <pre>
 * offered → taken    a worker took it; it renews its deadline by every word
 * taken → ended      its result was accepted, or the holder took the run back
 * </pre>
 *
 * <p>Every method takes part in the caller's transaction.
 */
public final class RemoteWork {
  /** A worker is there; the one that had its name is no longer. Answers which it is. */
  public Connected arrive(Tx tx, Arrival worker) {
    UUID connection = UUID.randomUUID();
    UUID id =
        tx.query(RemoteSql.ARRIVE)
            .bind("id", UUID.randomUUID())
            .bind("organization_id", worker.organization().value())
            .bind("agent_id", worker.agent().value())
            .bind("key_id", worker.key())
            .bind("name", worker.name())
            .bind("connection", connection)
            .bind("capacity", worker.capacity())
            .bind("stays_ms", worker.stays().toMillis())
            .mapTo(UUID.class)
            .one();
    return new Connected(id, connection, worker.organization(), worker.agent());
  }

  /**
   * These are still connected. Answers the connections that are: the others were replaced, or their
   * key was revoked.
   */
  public Set<UUID> stay(Tx tx, Collection<Connected> workers, Duration stays) {
    return workers.isEmpty()
        ? Set.of()
        : new HashSet<>(
            tx.query(RemoteSql.STAY)
                .bindArray("ids", UUID.class, workers.stream().map(Connected::id).toList())
                .bindArray(
                    "connections", UUID.class, workers.stream().map(Connected::connection).toList())
                .bind("stays_ms", stays.toMillis())
                .mapTo(UUID.class)
                .list());
  }

  /** Those of the workers that are there, through whichever connection. */
  public Set<UUID> present(Tx tx, Collection<Connected> workers) {
    return new HashSet<>(
        tx.query(RemoteSql.PRESENT)
            .bindArray("ids", UUID.class, workers.stream().map(Connected::id).toList())
            .mapTo(UUID.class)
            .list());
  }

  /** It is gone, unless another connection has its name by now. */
  public void leave(Tx tx, Connected worker) {
    tx.update(RemoteSql.LEAVE)
        .bind("organization_id", worker.organization().value())
        .bind("id", worker.id())
        .bind("connection", worker.connection())
        .execute();
  }

  /** How many workers an agent has, and how many runs they can take together. */
  public record Crew(int workers, int capacity) {
    public static final Crew NONE = new Crew(0, 0);
  }

  /** The workers that are there, by agent. */
  public Map<AgentId, Crew> connected(Tx tx, OrganizationId organization) {
    Map<AgentId, Crew> crews = new HashMap<>();
    tx.query(RemoteSql.CONNECTED)
        .bind("organization_id", organization.value())
        .map((row, context) ->
            crews.put(
                new AgentId(row.getObject("agent_id", UUID.class)),
                new Crew(row.getInt("workers"), row.getInt("capacity"))))
        .list();
    return crews;
  }

  /** Offers a run. False when the lease is lost. */
  public boolean offer(Tx tx, LeaseToken lease, RunId run, int attempt, Duration stays) {
    OrganizationId organization = lease.conversation().organization();
    forgetMessages(tx, organization, run);
    return tx.update(RemoteSql.OFFER)
            .bind("run", run.value())
            .bind("organization_id", organization.value())
            .bind("key", lease.conversation().key())
            .bind("epoch", lease.epoch())
            .bind("replica", lease.replica())
            .bind("attempt", attempt)
            .bind("stays_ms", stays.toMillis())
            .execute()
        == 1;
  }

  /** Those of the agents that have a run on offer. */
  public Set<AgentId> onOffer(Tx tx, Collection<AgentId> agents) {
    Set<AgentId> offered = new HashSet<>();
    if (!agents.isEmpty()) {
      tx.query(RemoteSql.ON_OFFER)
          .bindArray("agents", UUID.class, agents.stream().map(AgentId::value).toList())
          .mapTo(UUID.class)
          .list()
          .forEach(agent -> offered.add(new AgentId(agent)));
    }
    return offered;
  }

  /**
   * Gives the worker at most so many of its agent's runs, as far as it has room.
   *
   * @param stays its first deadline
   */
  public List<Taken> take(Tx tx, Connected worker, int max, Duration stays) {
    return tx.query(RemoteSql.TAKE)
        .bind("organization_id", worker.organization().value())
        .bind("id", worker.id())
        .bind("max", max)
        .bind("stays_ms", stays.toMillis())
        .map((row, context) ->
            new Taken(
                new RunId(row.getObject("run_id", UUID.class)),
                row.getLong("epoch"),
                row.getInt("attempt")))
        .list();
  }

  /** The run's place, locked until the transaction ends. Empty when it never was at a worker. */
  public Optional<RemoteTurn> lock(Tx tx, OrganizationId organization, RunId run) {
    return tx.query(RemoteSql.LOCK_TURN)
        .bind("organization_id", organization.value())
        .bind("run", run.value())
        .map((row, context) ->
            new RemoteTurn(
                row.getLong("epoch"),
                row.getInt("attempt"),
                state(row.getString("state")),
                row.getObject("worker_id", UUID.class),
                row.getInt("received"),
                row.getString("cancel"),
                Json.parse(row.getString("answers")),
                row.getBoolean("key_revoked")))
        .findOne();
  }

  /**
   * Accepts what the worker of a run said. Its place is locked by this transaction, and the numbers
   * follow the last one that was received.
   *
   * @param ended whether the last of them is the result
   */
  public void say(Tx tx, LeaseToken lease, RunId run, List<Message> messages, Said said) {
    OrganizationId organization = lease.conversation().organization();
    tx.update(RemoteSql.SAY)
        .bind("organization_id", organization.value())
        .bind("run", run.value())
        .bindArray("seqs", Integer.class, messages.stream().map(Message::seq).toList())
        .bindArray("data", String.class, messages.stream().map(m -> Json.write(m.data())).toList())
        .execute();
    tx.update(RemoteSql.RECEIVED)
        .bind("organization_id", organization.value())
        .bind("run", run.value())
        .bind("received", messages.getLast().seq())
        .bind("ended", said.ended())
        .bind("stays_ms", said.stays().toMillis())
        .execute();
  }

  /**
   * @param ended whether the result is among it
   * @param stays the worker's next deadline
   */
  public record Said(boolean ended, Duration stays) {}

  /** The worker of a run lives; so does its place among the connected. */
  public void beat(Tx tx, LeaseToken lease, RunId run, RemoteTurn turn, Duration stays) {
    OrganizationId organization = lease.conversation().organization();
    tx.update(RemoteSql.BEAT)
        .bind("organization_id", organization.value())
        .bind("run", run.value())
        .bind("stays_ms", stays.toMillis())
        .execute();
    UUID worker = turn.worker();
    if (worker != null) {
      tx.update(RemoteSql.RENEW)
          .bind("organization_id", organization.value())
          .bind("id", worker)
          .bind("stays_ms", stays.toMillis())
          .execute();
    }
  }

  /** How these runs stand, in one statement. */
  public List<Standing> standings(Tx tx, Collection<RunId> runs) {
    return tx.query(RemoteSql.STANDINGS)
        .bindArray("runs", UUID.class, runs.stream().map(RunId::value).toList())
        .map((row, context) ->
            new Standing(
                new RunId(row.getObject("run_id", UUID.class)),
                row.getLong("epoch"),
                row.getInt("attempt"),
                state(row.getString("state")),
                row.getString("worker"),
                row.getInt("received"),
                row.getBoolean("silent")))
        .list();
  }

  /** What the worker of a run said after a number, in order. */
  public List<Message> messages(
      Tx tx, OrganizationId organization, RunId run, int after, int limit) {
    return tx.query(RemoteSql.MESSAGES)
        .bind("organization_id", organization.value())
        .bind("run", run.value())
        .bind("after", after)
        .bind("limit", limit)
        .map((row, context) ->
            new Message(row.getInt("seq"), (ObjectNode) Json.parse(row.getString("data"))))
        .list();
  }

  /** Takes the run back: nothing more is accepted of its worker. False when it had ended before. */
  public boolean close(Tx tx, LeaseToken lease, Taken turn) {
    return of(tx.update(RemoteSql.CLOSE), lease, turn).execute() == 1;
  }

  /** As {@link #close}, for whoever has the lease after the one under which it was offered. */
  public void abandon(Tx tx, LeaseToken lease, RunId run) {
    tx.update(RemoteSql.ABANDON)
        .bind("organization_id", lease.conversation().organization().value())
        .bind("run", run.value())
        .bind("epoch", lease.epoch())
        .execute();
  }

  /**
   * As {@link #close}, if its worker or the offer is past its deadline now. The worker counts as
   * gone then, until it connects again.
   */
  public boolean closeSilent(Tx tx, LeaseToken lease, Taken turn) {
    return of(tx.query(RemoteSql.CLOSE_SILENT), lease, turn).mapTo(Long.class).one() == 1;
  }

  /** Lets the worker know that it is to stop. */
  public void cancel(Tx tx, LeaseToken lease, Taken turn, String reason) {
    of(tx.update(RemoteSql.CANCEL), lease, turn).bind("reason", reason).execute();
  }

  /** Leaves an answer for the worker. False when it has not got the run any more. */
  public boolean answer(Tx tx, LeaseToken lease, Taken turn, ObjectNode answer) {
    return of(tx.update(RemoteSql.ANSWER), lease, turn)
            .bind("answer", Json.write(Json.array().add(answer)))
            .execute()
        == 1;
  }

  /** What the worker said is in the log by now. */
  public void forgetMessages(Tx tx, OrganizationId organization, RunId run) {
    tx.update(RemoteSql.FORGET_MESSAGES)
        .bind("organization_id", organization.value())
        .bind("run", run.value())
        .execute();
  }

  /** Removes what is over: workers that are gone, and runs that ended a while ago. */
  public void tend(Tx tx, int max) {
    tx.update(RemoteSql.FORGET_WORKERS).execute();
    tx.update(RemoteSql.FORGET_TURNS).bind("max", max).execute();
  }

  private static <S extends SqlStatement<S>> S of(S statement, LeaseToken lease, Taken turn) {
    return statement
        .bind("organization_id", lease.conversation().organization().value())
        .bind("run", turn.run().value())
        .bind("epoch", turn.epoch())
        .bind("attempt", turn.attempt());
  }

  private static RemoteTurn.State state(String word) {
    return RemoteTurn.State.valueOf(word.toUpperCase(Locale.ROOT));
  }
}
