package io.turnkeeper.eventlog;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.UUID;
import tools.jackson.databind.JsonNode;

/**
 * The append-only log of run events. A stream is a cursor over it: events become visible after
 * commit, ids are dense and ordered, and a reader that resumes from any id, on any replica, at any
 * later time within retention, gets every event once.
 */
public final class EventLog {
  private final Partitions partitions;
  private final Wakeups wakeups = new Wakeups();

  /**
   * @param retention how long events are kept; what the runs came to is kept with the runs
   */
  public EventLog(Duration retention) {
    this.partitions = new Partitions(retention);
  }

  /**
   * Writes the events, one statement for all, of one replica. How many were written: fewer than
   * given means that leases among them are lost, or that some had been written before.
   */
  public int append(Tx tx, int replica, List<Append> events) {
    if (events.isEmpty()) {
      return 0;
    }
    return tx.update(EventSql.APPEND)
        .bind("replica", replica)
        .bindArray(
            "keys", Long.class, events.stream().map(e -> e.lease().conversation().key()).toList())
        .bindArray("epochs", Long.class, events.stream().map(e -> e.lease().epoch()).toList())
        .bindArray("runs", UUID.class, events.stream().map(e -> e.run().value()).toList())
        .bindArray("seqs", Integer.class, events.stream().map(Append::seq).toList())
        .bindArray("kinds", String.class, events.stream().map(Append::kind).toList())
        .bindArray("data", String.class, events.stream().map(e -> Json.write(e.data())).toList())
        .execute();
  }

  /**
   * The one terminal event of a run that is not under way. Its mailbox row is locked by this
   * transaction.
   */
  public void appendUnstarted(
      Tx tx, OrganizationId organization, RunId run, String kind, JsonNode data) {
    tx.update(EventSql.APPEND_UNSTARTED)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .bind("kind", kind)
        .bind("data", Json.write(data))
        .execute();
  }

  /** At most {@code limit} events of the run after a number, in order. */
  public List<Event> after(Tx tx, OrganizationId organization, RunId run, int after, int limit) {
    return tx.query(EventSql.AFTER)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .bind("after", after)
        .bind("limit", limit)
        .map((row, context) ->
            new Event(
                row.getInt("seq"),
                row.getString("kind"),
                Json.parse(row.getString("data")),
                row.getObject("created_at", OffsetDateTime.class).toInstant()))
        .list();
  }

  /** The number of the run's last event; 0 when it has none. */
  public int lastSeq(Tx tx, OrganizationId organization, RunId run) {
    return tx.query(EventSql.LAST_SEQ)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .mapTo(Integer.class)
        .one();
  }

  /** Events that the database has ever written, as its own statistics count them: a second late. */
  public long written(Tx tx) {
    return tx.query(EventSql.WRITTEN).mapTo(Long.class).one();
  }

  public void deleteRun(Tx tx, OrganizationId organization, RunId run) {
    tx.update(EventSql.DELETE_RUN)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .execute();
  }

  /**
   * Makes the partitions of the days to come and drops those past retention. At start, and now and
   * then.
   */
  public void tend(Tx tx, Instant now) {
    partitions.tend(tx, now);
  }

  /** News of a conversation's runs: an event, a status, a new run. */
  public Subscription subscribe(long conversationKey) {
    return wakeups.subscribe(conversationKey);
  }

  /** Wakes this replica's readers of the conversation. Call it after the commit. */
  public void wake(long conversationKey) {
    wakeups.wake(conversationKey);
  }

  /** Wakes every reader of this replica: when wake-ups may have been lost. */
  public void wakeAll() {
    wakeups.wakeAll();
  }

  /** How many readers wait. */
  public int subscribers() {
    return wakeups.subscribers();
  }
}
