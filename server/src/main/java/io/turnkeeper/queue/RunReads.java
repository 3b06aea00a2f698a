package io.turnkeeper.queue;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Reads of runs and of what keeps them. */
final class RunReads {
  Optional<Run> run(Tx tx, OrganizationId organization, RunId run) {
    return tx.query(ReadSql.RUN)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .map((row, context) -> RunRows.read(row))
        .findOne();
  }

  List<Run> ofConversation(
      Tx tx, OrganizationId organization, long key, Set<RunStatus> statuses, int[] page) {
    return tx.query(ReadSql.RUNS_OF_CONVERSATION)
        .bind("organization", organization.value())
        .bind("key", key)
        .bind(
            "status",
            statuses.isEmpty()
                ? null
                : statuses.stream().map(RunStatus::word).collect(Collectors.joining(",")))
        .bind("limit", page[0])
        .bind("offset", page[1])
        .map((row, context) -> RunRows.read(row))
        .list();
  }

  List<Run> turns(Tx tx, OrganizationId organization, long key, long upto) {
    return tx.query(ReadSql.TURNS)
        .bind("organization", organization.value())
        .bind("key", key)
        .bind("upto", upto)
        .map((row, context) -> RunRows.read(row))
        .list();
  }

  List<Run> turnsAfter(Tx tx, OrganizationId organization, long key, long after, int limit) {
    return tx.query(ReadSql.TURNS_AFTER)
        .bind("organization", organization.value())
        .bind("key", key)
        .bind("after", after)
        .bind("limit", limit)
        .map((row, context) -> RunRows.read(row))
        .list();
  }

  List<Run> live(Tx tx, OrganizationId organization, long key) {
    return tx.query(ReadSql.LIVE)
        .bind("organization", organization.value())
        .bind("key", key)
        .map((row, context) -> RunRows.read(row))
        .list();
  }

  List<Run> search(Tx tx, OrganizationId organization, RunQuery query) {
    var status = query.status();
    var agent = query.agent();
    var before = query.before();
    var conversation = query.conversation();
    var page =
        conversation == null
            ? tx.query(ReadSql.RUNS)
            : tx.query(ReadSql.RUNS_IN).bind("conversation", conversation);
    return page.bind("organization", organization.value())
        .bind("before", before == null ? null : before.value())
        .bind("status", status == null ? null : status.word())
        .bind("agent", agent == null ? null : agent.value())
        .bind("limit", query.limit())
        .map((row, context) -> RunRows.read(row))
        .list();
  }

  Optional<Why> why(Tx tx, OrganizationId organization, RunId run) {
    return tx.query(ReadSql.WHY)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .map((row, context) -> why(tx, organization, run, row))
        .findOne();
  }

  QueueDepth depth(Tx tx) {
    return tx.query(ReadSql.DEPTH).map((row, context) -> depth(row)).one();
  }

  static QueueDepth depth(ResultSet row) throws SQLException {
    return new QueueDepth(
        row.getLong("ready"),
        row.getLong("delayed"),
        row.getLong("capped"),
        row.getLong("paused"),
        row.getLong("leased"),
        row.getLong("running"),
        row.getLong("pending"),
        row.getDouble("oldest_ready_seconds"));
  }

  long leases(Tx tx, int replica) {
    return tx.query(ReadSql.LEASES).bind("replica", replica).mapTo(Long.class).one();
  }

  private static Why why(Tx tx, OrganizationId organization, RunId run, ResultSet row)
      throws SQLException {
    RunStatus status = RunStatus.of(row.getString("status"));
    if (status.terminal()) {
      return new Why.Ended(status, RunRows.instant(row, "finished_at"));
    }
    if (status != RunStatus.PENDING) {
      // The mailbox changed last when this attempt began, or another replica took it over.
      return new Why.Running(
          status, row.getInt("replica_id"), address(row), RunRows.instant(row, "changed_at"));
    }
    UUID head = row.getObject("head_id", UUID.class);
    if (head != null && !head.equals(run.value())) {
      long ahead =
          tx.query(ReadSql.COUNT_AHEAD)
              .bind("organization", organization.value())
              .bind("key", row.getLong("conversation_key"))
              .bind("turn", row.getLong("turn"))
              .mapTo(Long.class)
              .one();
      return new Why.BehindRun(new RunId(head), RunStatus.of(row.getString("head_status")), ahead);
    }
    Why paused = paused(row);
    if (paused != null) {
      return paused;
    }
    if (row.getBoolean("delayed")) {
      return new Why.Delayed(RunRows.instantOf(row, "run_at"), row.getInt("attempt") > 0);
    }
    if ("capped".equals(row.getString("state"))) {
      return capped(tx, organization, row);
    }
    Instant since = RunRows.instantOf(row, "changed_at");
    if ("leased".equals(row.getString("state"))) {
      return new Why.Held(row.getInt("replica_id"), address(row), since);
    }
    long ahead =
        tx.query(ReadSql.READY_AHEAD)
            .bind("priority", row.getInt("priority"))
            .bind("tag", row.getLong("tag"))
            .mapTo(Long.class)
            .one();
    return new Why.WaitingForSlot(since, ahead);
  }

  private static @Nullable Why paused(ResultSet row) throws SQLException {
    for (String what : List.of("organization", "agent")) {
      Instant since = RunRows.instant(row, what + "_paused_at");
      if (since != null) {
        return new Why.Paused(what, word(row.getString(what + "_paused_by")), since);
      }
    }
    String by = row.getString("paused_by");
    boolean since = "paused".equals(row.getString("state"));
    return by == null
        ? null
        : new Why.Paused("conversation", by, since ? RunRows.instant(row, "changed_at") : null);
  }

  private static Why capped(Tx tx, OrganizationId organization, ResultSet row) throws SQLException {
    Integer agentMax = row.getObject("agent_max", Integer.class);
    Integer organizationMax = row.getObject("organization_max", Integer.class);
    if (row.getBoolean("remote") && agentMax != null && agentMax == 0) {
      return new Why.NoWorker();
    }
    int[] running =
        tx.query(ReadSql.COUNT_RUNNING)
            .bind("organization", organization.value())
            .bind("agent", row.getObject("agent_id", UUID.class))
            .map((count, context) ->
                new int[] {count.getInt("organization_running"), count.getInt("agent_running")})
            .one();
    if (agentMax != null && (running[1] >= agentMax || organizationMax == null)) {
      return new Why.Capped("agent", running[1], agentMax);
    }
    return new Why.Capped(
        "organization", running[0], organizationMax == null ? 0 : organizationMax);
  }

  private static String address(ResultSet row) throws SQLException {
    return word(row.getString("address"));
  }

  private static String word(@Nullable String text) {
    return text == null ? "" : text;
  }
}
