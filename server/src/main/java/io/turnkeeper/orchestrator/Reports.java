package io.turnkeeper.orchestrator;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.ConversationFilter;
import io.turnkeeper.conversation.ConversationPage;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.Activity;
import io.turnkeeper.queue.LeaseView;
import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.queue.RunFilter;
import io.turnkeeper.queue.RunPage;
import io.turnkeeper.snapshot.Snapshots;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What people who look on read: pages, and what an hour held. Nothing is kept for it while nobody
 * asks: an hour is read from the runs themselves, so it is the same on every replica and after a
 * restart; minutes that are over are remembered.
 */
public final class Reports {
  /** Minutes that a replica remembers, over all tenants that somebody looked at. */
  private static final int REMEMBERED_MAX = 6_000;

  /** A minute is over for good once what began to commit in it has committed. */
  private static final Duration SETTLED = Duration.ofSeconds(15);

  private record Minute(@Nullable OrganizationId organization, Instant start) {}

  private final Tools tools;
  private final ConversationStore store;
  private final Map<Minute, Activity> remembered =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Minute, Activity> eldest) {
          return size() > REMEMBERED_MAX;
        }
      };

  Reports(Tools tools, ConversationStore store) {
    this.tools = tools;
    this.store = store;
  }

  public ConversationPage conversations(OrganizationId organization, ConversationFilter filter) {
    return tools.db().inTx(organization, tx -> store.page(tx, organization, filter));
  }

  public RunPage runs(OrganizationId organization, RunFilter filter) {
    return tools.db().inTx(organization, tx -> tools.queue().page(tx, organization, filter));
  }

  /** How many runs there are, counted up to the filter's limit. */
  public long count(OrganizationId organization, RunFilter filter) {
    return tools.db().inTx(organization, tx -> tools.queue().count(tx, organization, filter));
  }

  /** Runs that failed, by the code of their error; the largest groups first. */
  public List<RunPage.ErrorGroup> errors(
      OrganizationId organization, @Nullable AgentId agent, @Nullable Instant since) {
    return tools
        .db()
        .inTx(organization, tx -> tools.queue().errors(tx, organization, agent, since));
  }

  /** What became of each agent's runs that ended since. */
  public List<Activity.Record> records(
      OrganizationId organization, @Nullable AgentId agent, Instant since) {
    return tools
        .db()
        .inTx(organization, tx -> tools.queue().records(tx, organization, agent, since));
  }

  /**
   * What waits and runs now.
   *
   * @param organization null is all of them
   */
  public QueueDepth depth(@Nullable OrganizationId organization) {
    return read(
        organization,
        tx ->
            organization == null ? tools.queue().depth(tx) : tools.queue().depth(tx, organization));
  }

  /** Who holds the conversation; empty when it has never had a run. */
  public Optional<LeaseView> lease(StoredConversation conversation) {
    return tools
        .db()
        .inTx(
            conversation.organization(),
            tx -> tools.queue().lease(tx, conversation.organization(), conversation.key()));
  }

  /** What was saved after this turn and later ones, by run. */
  public Map<RunId, Snapshots.Cost> snapshots(StoredConversation conversation, long fromTurn) {
    Map<RunId, Snapshots.Cost> byRun = new HashMap<>();
    tools
        .db()
        .inTx(
            conversation.organization(),
            tx ->
                tools
                    .snapshots()
                    .since(tx, conversation.organization(), conversation.key(), fromTurn))
        .forEach(cost -> byRun.put(cost.run(), cost));
    return byRun;
  }

  /**
   * The newest minutes, oldest first; the last one is not over.
   *
   * @param organization null is all of them
   */
  public List<Activity> history(@Nullable OrganizationId organization, int minutes) {
    Instant now = tools.clock().now();
    Instant end = now.truncatedTo(ChronoUnit.MINUTES).plus(1, ChronoUnit.MINUTES);
    Instant start = end.minus(minutes, ChronoUnit.MINUTES);
    List<Activity> history = remembered(organization, start, end);
    Instant from = start.plus(history.size(), ChronoUnit.MINUTES);
    List<Activity> read =
        read(organization, tx -> tools.queue().history(tx, organization, from, end));
    remember(organization, read, now.minus(SETTLED));
    history.addAll(read);
    return history;
  }

  private <T> T read(@Nullable OrganizationId organization, Function<Tx, T> work) {
    return organization == null ? tools.db().inTx(work) : tools.db().inTx(organization, work);
  }

  /** As many as are remembered without a gap, from the start. */
  private List<Activity> remembered(
      @Nullable OrganizationId organization, Instant start, Instant end) {
    List<Activity> known = new ArrayList<>();
    synchronized (remembered) {
      for (Instant at = start; at.isBefore(end); at = at.plus(1, ChronoUnit.MINUTES)) {
        Activity minute = remembered.get(new Minute(organization, at));
        if (minute == null) {
          return known;
        }
        known.add(minute);
      }
    }
    return known;
  }

  private void remember(
      @Nullable OrganizationId organization, List<Activity> read, Instant settled) {
    synchronized (remembered) {
      for (Activity minute : read) {
        if (!minute.minute().plus(1, ChronoUnit.MINUTES).isAfter(settled)) {
          remembered.put(new Minute(organization, minute.minute()), minute);
        }
      }
    }
  }
}
