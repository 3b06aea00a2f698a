package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Tx;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jdbi.v3.core.statement.Query;
import org.jspecify.annotations.Nullable;

/** Reads for people who look on. */
final class Watch {
  /** Runs that one request looks at: about a tenth of a second. */
  private static final int LOOK = 50_000;

  private static final int DEPTH_LOOK = 100_000;
  private static final UUID LAST_RUN = new UUID(-1, -1);
  private static final UUID FIRST_RUN = new UUID(0, 0);
  private static final Duration MINUTE = Duration.ofMinutes(1);

  RunPage page(Tx tx, OrganizationId organization, RunFilter filter) {
    Source source = source(filter);
    List<RunPage.Row> found =
        bound(tx.query(source.page), organization, filter, filter.limit() + 1)
            .map((row, _) -> read(row))
            .list();
    List<RunPage.Row> rows = List.copyOf(found.subList(0, Math.min(found.size(), filter.limit())));
    if (found.size() > filter.limit()) {
      return new RunPage(rows, rows.getLast().id(), false);
    }
    if (source != Source.ANY) {
      return new RunPage(rows, null, false);
    }
    Optional<RunId> lookedTo =
        tx.query(WatchSql.LOOKED_TO)
            .bind("organization", organization.value())
            .bind("before", before(filter))
            .bind("from", from(filter.since()))
            .bind("look", LOOK)
            .map((row, _) -> new RunId(row.getObject("id", UUID.class)))
            .findOne();
    return new RunPage(rows, lookedTo.orElse(null), lookedTo.isPresent());
  }

  /** How many there are, counted up to the filter's limit. */
  long count(Tx tx, OrganizationId organization, RunFilter filter) {
    return bound(tx.query(source(filter).count), organization, filter, filter.limit())
        .mapTo(Long.class)
        .one();
  }

  List<RunPage.ErrorGroup> errors(
      Tx tx, OrganizationId organization, @Nullable AgentId agent, @Nullable Instant since) {
    return tx.query(WatchSql.ERRORS)
        .bind("organization", organization.value())
        .bind("agent", agent == null ? null : agent.value())
        .bind("from", from(since))
        .bind("look", LOOK)
        .map((row, _) ->
            new RunPage.ErrorGroup(
                row.getString("code"),
                row.getLong("count"),
                row.getLong("agents"),
                text(row.getString("sample")),
                RunRows.instantOf(row, "newest"),
                new RunId(row.getObject("newest_run", UUID.class))))
        .list();
  }

  /** One for each minute from the first to before the last, in order. */
  List<Activity> history(
      Tx tx, @Nullable OrganizationId organization, Instant first, Instant last) {
    List<Instant> minutes = new ArrayList<>();
    for (Instant at = first; at.isBefore(last); at = at.plus(MINUTE)) {
      minutes.add(at);
    }
    if (minutes.isEmpty()) {
      return List.of();
    }
    UUID of = organization == null ? null : organization.value();
    Map<Integer, Long> accepted = accepted(tx, of, minutes);
    Map<Instant, List<Ended>> ended =
        tx
            .query(WatchSql.ENDED)
            .bind("organization", of)
            .bind("from", first.toString())
            .bind("to", last.toString())
            .map((row, _) -> ended(row))
            .list()
            .stream()
            .collect(Collectors.groupingBy(Ended::minute));
    List<Activity> history = new ArrayList<>();
    for (int i = 0; i < minutes.size(); i++) {
      Instant minute = minutes.get(i);
      history.add(
          activity(
              minute, accepted.getOrDefault(i + 1, 0L), ended.getOrDefault(minute, List.of())));
    }
    return history;
  }

  List<Activity.Record> records(
      Tx tx, OrganizationId organization, @Nullable AgentId agent, Instant since) {
    return tx.query(WatchSql.RECORDS)
        .bind("organization", organization.value())
        .bind("agent", agent == null ? null : agent.value())
        .bind("from", since.toString())
        .bind("look", LOOK)
        .map((row, _) ->
            new Activity.Record(
                new AgentId(row.getObject("agent_id", UUID.class)),
                row.getLong("ended"),
                row.getLong("completed"),
                row.getLong("failed"),
                row.getDouble("p50_ms"),
                row.getDouble("p95_ms"),
                row.getDouble("max_ms")))
        .list();
  }

  Optional<LeaseView> lease(Tx tx, OrganizationId organization, long key) {
    return tx.query(WatchSql.LEASE)
        .bind("organization", organization.value())
        .bind("key", key)
        .map((row, _) ->
            new LeaseView(
                row.getString("state"),
                row.getBoolean("running"),
                row.getInt("pending"),
                row.getObject("replica_id", Integer.class),
                row.getLong("epoch"),
                RunRows.instantOf(row, "changed_at"),
                row.getString("paused_by")))
        .findOne();
  }

  QueueDepth depth(Tx tx, OrganizationId organization) {
    return tx.query(WatchSql.DEPTH_OF)
        .bind("organization", organization.value())
        .bind("look", DEPTH_LOOK)
        .map((row, _) -> RunReads.depth(row))
        .one();
  }

  /** Which index holds what is asked for, and little else. */
  private enum Source {
    ANY(WatchSql.ANY, WatchSql.COUNT_ANY),
    FAILED(WatchSql.FAILED, WatchSql.COUNT_FAILED),
    RUNNING(WatchSql.RUNNING, WatchSql.COUNT_RUNNING);

    private final String page;
    private final String count;

    Source(String page, String count) {
      this.page = page;
      this.count = count;
    }
  }

  private static Source source(RunFilter filter) {
    if (filter.statuses().isEmpty()) {
      return filter.error() == null ? Source.ANY : Source.FAILED;
    }
    if (Set.of(RunStatus.FAILED, RunStatus.TIMEOUT).containsAll(filter.statuses())) {
      return Source.FAILED;
    }
    return Set.of(RunStatus.RUNNING, RunStatus.WAITING).containsAll(filter.statuses())
        ? Source.RUNNING
        : Source.ANY;
  }

  private static Query bound(
      Query query, OrganizationId organization, RunFilter filter, int limit) {
    AgentId agent = filter.agent();
    return query
        .bind("organization", organization.value())
        .bind("before", before(filter))
        .bind("from", from(filter.since()))
        .bind(
            "status",
            filter.statuses().isEmpty()
                ? null
                : filter.statuses().stream().map(RunStatus::word).collect(Collectors.joining(",")))
        .bind("agent", agent == null ? null : agent.value())
        .bind("error", filter.error())
        .bind("look", LOOK)
        .bind("limit", limit);
  }

  private static UUID before(RunFilter filter) {
    RunId before = filter.before();
    return before == null ? LAST_RUN : before.value();
  }

  private static UUID from(@Nullable Instant since) {
    return since == null ? FIRST_RUN : Uuid7.floor(since.toEpochMilli());
  }

  private static Map<Integer, Long> accepted(
      Tx tx, @Nullable UUID organization, List<Instant> minutes) {
    Map<Integer, Long> accepted = new HashMap<>();
    tx.query(WatchSql.ACCEPTED)
        .bind("organization", organization)
        .bindArray(
            "lows", UUID.class, minutes.stream().map(at -> Uuid7.floor(at.toEpochMilli())).toList())
        .bindArray(
            "highs",
            UUID.class,
            minutes.stream().map(at -> Uuid7.floor(at.plus(MINUTE).toEpochMilli())).toList())
        .map((row, _) -> accepted.put(row.getInt("place"), row.getLong("accepted")))
        .list();
    return accepted;
  }

  private record Ended(
      Instant minute,
      long ended,
      long failed,
      @Nullable Double waitP50,
      @Nullable Double waitP99,
      Activity.@Nullable OfAgent agent) {}

  private static Ended ended(ResultSet row) throws SQLException {
    UUID agent = row.getObject("agent_id", UUID.class);
    long ended = row.getLong("ended");
    long failed = row.getLong("failed");
    return new Ended(
        RunRows.instantOf(row, "minute"),
        ended,
        failed,
        row.getObject("wait_p50", Double.class),
        row.getObject("wait_p99", Double.class),
        agent == null
            ? null
            : new Activity.OfAgent(
                new OrganizationId(row.getObject("organization_id", UUID.class)),
                new AgentId(agent),
                ended,
                failed,
                row.getDouble("mean_ms"),
                row.getDouble("max_ms")));
  }

  private static Activity activity(Instant minute, long accepted, List<Ended> rows) {
    List<Activity.OfAgent> agents = new ArrayList<>();
    Ended whole = null;
    for (Ended row : rows) {
      Activity.OfAgent agent = row.agent();
      if (agent == null) {
        whole = row;
      } else {
        agents.add(agent);
      }
    }
    return whole == null
        ? new Activity(minute, accepted, 0, 0, null, null, List.of())
        : new Activity(
            minute,
            accepted,
            whole.ended(),
            whole.failed(),
            whole.waitP50(),
            whole.waitP99(),
            agents);
  }

  private static RunPage.Row read(ResultSet row) throws SQLException {
    return new RunPage.Row(
        new RunId(row.getObject("id", UUID.class)),
        row.getString("conversation_id"),
        new AgentId(row.getObject("agent_id", UUID.class)),
        row.getLong("turn"),
        RunStatus.of(row.getString("status")),
        row.getInt("attempt"),
        row.getString("error_code"),
        row.getString("error_message"),
        text(row.getString("asked")),
        new Run.Times(
            RunRows.instantOf(row, "created_at"),
            RunRows.instantOf(row, "run_at"),
            RunRows.instant(row, "expires_at"),
            RunRows.instant(row, "started_at"),
            RunRows.instant(row, "finished_at")));
  }

  private static String text(@Nullable String text) {
    return text == null ? "" : text;
  }
}
