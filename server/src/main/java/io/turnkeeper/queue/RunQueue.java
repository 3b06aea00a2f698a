package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.NewRun.Idempotency;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Runs and mailboxes. A mailbox is the unit of claiming: one row per conversation, in the ready
 * index only while its head run can start, so that a claim costs the same whatever is queued or has
 * been. States and who moves them:
 *
 * <pre>
 * idle → ready            enqueue
 * ready → leased          claim (epoch + 1)                leased → idle | ready | delayed | paused   release
 * ready → capped | paused claim, which finds the gate shut   capped | paused → ready                  lift
 * idle | leased → delayed a head that may not start yet     delayed → ready                           promote
 * </pre>
 *
 * <p>Every method takes part in the caller's transaction. Methods that write for a run take the
 * lease it runs under, and do nothing when that lease is no longer good: a lost lease is a normal
 * answer, not an exception.
 */
public final class RunQueue {
  private final FairShare fairShare = new FairShare();
  private final Enqueuer enqueuer = new Enqueuer(fairShare);
  private final Leases leases = new Leases(fairShare);
  private final Upkeep upkeep = new Upkeep(fairShare);
  private final RunReads reads = new RunReads();
  private final Watch watch = new Watch();

  /**
   * Accepts the runs, in their order; one answer for each. Accepted means durable once the
   * transaction commits.
   */
  public List<Enqueued> enqueue(Tx tx, List<NewRun> runs) {
    return enqueuer.enqueue(tx, runs);
  }

  /** A key that a client gave with a request to its organization. */
  public record Keyed(OrganizationId organization, Idempotency idempotency) {}

  /**
   * What requests with these keys came to before; an answer for each, empty where there was none.
   * {@link #enqueue} asks the same; whoever makes something for a run first asks here, so that a
   * request that is no new run leaves nothing.
   */
  public List<Optional<Enqueued>> known(Tx tx, List<Keyed> asked) {
    return enqueuer.known(tx, asked);
  }

  /**
   * Takes the leases of at most {@code slots} ready conversations and starts the head run of each.
   * Rows that another replica is claiming are passed over; fewer than asked is a normal answer, as
   * is none.
   */
  public Claims claim(Tx tx, int replica, int slots) {
    return leases.claim(tx, replica, slots);
  }

  /**
   * The leases among these that are still good. Their mailboxes, and the replica's own row, stay
   * locked until the transaction ends, so that a takeover comes either before or after the whole of
   * it.
   */
  public Set<LeaseToken> lock(Tx tx, int replica, List<LeaseToken> held) {
    return leases.lock(tx, replica, held);
  }

  /** Ends runs. The answer holds those that this call ended: exactly one caller gets each. */
  public Set<RunId> settle(Tx tx, int replica, List<Settlement> ends) {
    return leases.settle(tx, replica, ends);
  }

  /**
   * Puts a run under way back in its place. False when the lease is lost, or the run is not under
   * way.
   */
  public boolean requeue(Tx tx, LeaseToken lease, RunId run, Again again) {
    return leases.requeue(tx, lease, run, again);
  }

  /**
   * Starts the next run of leases with none under way, where there is one that may start. Under a
   * cap, one that others wait for is left to them.
   */
  public Started startNext(Tx tx, int replica, List<LeaseToken> held) {
    return leases.startNext(tx, replica, held);
  }

  /** Gives leases back. True when a conversation is ready again, so that somebody should claim. */
  public boolean release(Tx tx, int replica, List<LeaseToken> held) {
    return leases.release(tx, replica, held);
  }

  /**
   * Marks that a run waits for a person, or no longer does; safe to repeat. False when the lease is
   * lost or the run is not under way.
   */
  public boolean setWaiting(Tx tx, LeaseToken lease, RunId run, boolean waiting) {
    return leases.setWaiting(tx, lease, run, waiting);
  }

  /** Records which version runs it and how its memory came back. False when the lease is lost. */
  public boolean setFacts(
      Tx tx, LeaseToken lease, RunId run, int version, @Nullable String restoreMode) {
    return leases.setFacts(tx, lease, run, version, restoreMode);
  }

  /**
   * Moves every lease of a dead replica to the taker, with raised epochs, and answers each with the
   * run that was under way. The dead one's row must be locked by this transaction. The taker
   * settles, requeues and releases them as its own.
   */
  public Map<LeaseToken, @Nullable Run> takeOver(Tx tx, int dead, int taker) {
    return leases.takeOver(tx, dead, taker);
  }

  /** Some of the runs that a replica has under way; changes nothing. */
  public List<Run> underWayAt(Tx tx, int replica, int most) {
    return leases.underWayAt(tx, replica, most);
  }

  /** The run that a lease has under way; empty also when the lease is lost. */
  public Optional<Run> underWay(Tx tx, LeaseToken lease) {
    return leases.underWay(tx, lease);
  }

  /**
   * A run under way with its lease, whichever replica holds it: for writes that are made for it
   * from elsewhere. The holder's row stays locked until the transaction ends, so that a takeover
   * comes either before or after the whole of it. Empty when the run is not under way.
   */
  public Optional<Held> held(Tx tx, OrganizationId organization, RunId run) {
    return leases.held(tx, organization, run);
  }

  /** Ends runs that have not started. Runs that have, or that ended, are not in the answer. */
  public List<EndedRun> endPending(
      Tx tx, Collection<RunId> runs, RunStatus status, ObjectNode error) {
    return upkeep.endPending(tx, runs.stream().map(RunId::value).toList(), status, error);
  }

  /** Ends pending runs whose expiry has passed, at most {@code max}. */
  public List<EndedRun> expire(Tx tx, int max, ObjectNode error) {
    return upkeep.expire(tx, max, error);
  }

  /** Makes conversations ready whose delay has passed, at most {@code max}; how many. */
  public int promoteDelayed(Tx tx, int max) {
    return upkeep.promoteDelayed(tx, max);
  }

  /** Makes conversations ready whose cap or pause has lifted, at most {@code max}. */
  public Lifted liftHeld(Tx tx, int max) {
    return upkeep.liftHeld(tx, max);
  }

  /**
   * Learns from the mailboxes how far service has come, for fair tags after a start and beside
   * other replicas. Whether some conversation is ready to be claimed.
   */
  public boolean noticeVirtualTime(Tx tx) {
    return upkeep.noticeVirtualTime(tx);
  }

  /** Whether some conversation is ready to be claimed. */
  public boolean hasReady(Tx tx) {
    return upkeep.hasReady(tx);
  }

  /**
   * Pauses the conversation: a run under way ends, none starts. False when it has never had a run.
   */
  public boolean pause(Tx tx, Conversation conversation, String by) {
    return upkeep.pause(tx, conversation, by);
  }

  /** Ends a pause of the conversation itself. False when there is none. */
  public boolean resume(Tx tx, Conversation conversation) {
    return upkeep.pause(tx, conversation, null);
  }

  /** Leaves a word for the holder of a run under way. False when there is no such run under way. */
  public boolean ask(
      Tx tx, OrganizationId organization, RunId run, RunCommand.Kind kind, ObjectNode body) {
    return upkeep.ask(tx, organization, run, kind, body);
  }

  /** What was asked of runs that this replica holds, in order; until it is dropped. */
  public List<RunCommand> commands(Tx tx, int replica) {
    return upkeep.commands(tx, replica);
  }

  /** Forgets commands, by their ids, that were carried out, or cannot be. */
  public void dropCommands(Tx tx, List<Long> ids) {
    upkeep.dropCommands(tx, ids);
  }

  public Optional<Run> run(Tx tx, OrganizationId organization, RunId run) {
    return reads.run(tx, organization, run);
  }

  /** Newest turn first. An empty set of statuses means any. */
  public List<Run> runsOf(
      Tx tx,
      OrganizationId organization,
      long conversationKey,
      Set<RunStatus> statuses,
      int limit,
      int offset) {
    return reads.ofConversation(
        tx, organization, conversationKey, statuses, new int[] {limit, offset});
  }

  /** All turns up to and including one, oldest first. */
  public List<Run> turns(Tx tx, OrganizationId organization, long conversationKey, long upto) {
    return reads.turns(tx, organization, conversationKey, upto);
  }

  /** Those not ended, in their order. */
  public List<Run> live(Tx tx, OrganizationId organization, long conversationKey) {
    return reads.live(tx, organization, conversationKey);
  }

  public List<Run> search(Tx tx, OrganizationId organization, RunQuery query) {
    return reads.search(tx, organization, query);
  }

  /** Why the run is where it is; empty when there is no such run. */
  public Optional<Why> why(Tx tx, OrganizationId organization, RunId run) {
    return reads.why(tx, organization, run);
  }

  public QueueDepth depth(Tx tx) {
    return reads.depth(tx);
  }

  /** One tenant's part of {@link #depth(Tx)}. */
  public QueueDepth depth(Tx tx, OrganizationId organization) {
    return watch.depth(tx, organization);
  }

  /** A page for people who look on: quick whatever is asked and however many there are. */
  public RunPage page(Tx tx, OrganizationId organization, RunFilter filter) {
    return watch.page(tx, organization, filter);
  }

  /** How many runs there are, counted up to the filter's limit. */
  public long count(Tx tx, OrganizationId organization, RunFilter filter) {
    return watch.count(tx, organization, filter);
  }

  /** Runs that failed, by the code of their error; at most 20 groups, the largest first. */
  public List<RunPage.ErrorGroup> errors(
      Tx tx, OrganizationId organization, @Nullable AgentId agent, @Nullable Instant since) {
    return watch.errors(tx, organization, agent, since);
  }

  /**
   * What each minute held, from the first to before the last, in order. Reads what came and ended
   * in that time.
   *
   * @param organization null is all of them
   * @param first a whole minute
   */
  public List<Activity> history(
      Tx tx, @Nullable OrganizationId organization, Instant first, Instant last) {
    return watch.history(tx, organization, first, last);
  }

  /** What became of the runs that ended since: one for each agent that had any. */
  public List<Activity.Record> records(
      Tx tx, OrganizationId organization, @Nullable AgentId agent, Instant since) {
    return watch.records(tx, organization, agent, since);
  }

  /** Who holds the conversation; empty when it has never had a run. */
  public Optional<LeaseView> lease(Tx tx, OrganizationId organization, long conversationKey) {
    return watch.lease(tx, organization, conversationKey);
  }

  /** How many leases a replica holds. */
  public long leases(Tx tx, int replica) {
    return reads.leases(tx, replica);
  }

  /** Removes an ended run. False when there is none, or it has not ended. */
  public boolean deleteRun(Tx tx, OrganizationId organization, RunId run) {
    return tx.update(UpkeepSql.DELETE_RUN)
            .bind("organization", organization.value())
            .bind("run", run.value())
            .execute()
        == 1;
  }

  /** Removes the mailbox and all runs of a conversation. None may be under way. */
  public void delete(Tx tx, Conversation conversation) {
    upkeep.delete(tx, conversation);
  }
}
