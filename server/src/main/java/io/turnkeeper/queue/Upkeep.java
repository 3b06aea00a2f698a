package io.turnkeeper.queue;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * What moves mailboxes without a worker. Each step is bounded, and skips rows that somebody else
 * has locked.
 */
final class Upkeep {
  private record Held(
      UUID organization,
      UUID agent,
      String state,
      @Nullable Integer organizationMax,
      @Nullable Integer agentMax,
      boolean paused) {}

  private final FairShare fairShare;

  Upkeep(FairShare fairShare) {
    this.fairShare = fairShare;
  }

  int promoteDelayed(Tx tx, int max) {
    return tx.update(UpkeepSql.PROMOTE_DELAYED)
        .bind("tag", fairShare.virtualTime() + 1)
        .bind("max", max)
        .execute();
  }

  Lifted liftHeld(Tx tx, int max) {
    List<Held> groups =
        tx.query(UpkeepSql.HELD_GROUPS)
            .map((row, context) ->
                new Held(
                    row.getObject("organization_id", UUID.class),
                    row.getObject("agent_id", UUID.class),
                    row.getString("state"),
                    row.getObject("organization_max", Integer.class),
                    row.getObject("agent_max", Integer.class),
                    row.getBoolean("paused")))
            .list();
    int lifted = 0;
    for (Held group : groups) {
      int room = group.paused() ? 0 : Math.min(max - lifted, room(tx, group));
      if (room > 0) {
        lifted +=
            tx.update(UpkeepSql.LIFT)
                .bind("organization", group.organization())
                .bind("agent", group.agent())
                .bind("state", group.state())
                .bind("max", room)
                .execute();
      }
    }
    return new Lifted(lifted, groups.stream().anyMatch(group -> group.state().equals("capped")));
  }

  List<EndedRun> expire(Tx tx, int max, ObjectNode error) {
    List<UUID> expired = tx.query(UpkeepSql.EXPIRED).bind("max", max).mapTo(UUID.class).list();
    return endPending(tx, expired, RunStatus.TIMEOUT, error);
  }

  List<EndedRun> endPending(Tx tx, List<UUID> runs, RunStatus status, ObjectNode error) {
    if (runs.isEmpty()) {
      return List.of();
    }
    List<Long> boxes =
        tx.query(UpkeepSql.LOCK_BOXES_OF)
            .bindArray("runs", UUID.class, runs)
            .mapTo(Long.class)
            .list();
    List<EndedRun> ended =
        tx.query(UpkeepSql.END_PENDING)
            .bindArray("runs", UUID.class, runs)
            .bind("status", status.word())
            .bind("error", Json.write(error))
            .map((row, context) ->
                new EndedRun(
                    new RunId(row.getObject("id", UUID.class)),
                    new OrganizationId(row.getObject("organization_id", UUID.class)),
                    row.getLong("conversation_key")))
            .list();
    refreshHeads(tx, boxes);
    return ended;
  }

  boolean pause(Tx tx, Conversation conversation, @Nullable String by) {
    var statement =
        tx.update(by == null ? UpkeepSql.RESUME_CONVERSATION : UpkeepSql.PAUSE_CONVERSATION)
            .bind("organization", conversation.organization().value())
            .bind("key", conversation.key());
    boolean changed = (by == null ? statement : statement.bind("by", by)).execute() == 1;
    if (by == null && changed) {
      refreshHeads(tx, List.of(conversation.key()));
    }
    return changed;
  }

  boolean ask(
      Tx tx, OrganizationId organization, RunId run, RunCommand.Kind kind, ObjectNode body) {
    if (kind == RunCommand.Kind.CANCEL) {
      tx.update(UpkeepSql.MARK_CANCEL)
          .bind("organization", organization.value())
          .bind("run", run.value())
          .bind("reason", body.path("reason").asString(""))
          .execute();
    }
    return tx.update(UpkeepSql.ASK)
            .bind("organization", organization.value())
            .bind("run", run.value())
            .bind("kind", kind.word())
            .bind("body", Json.write(body))
            .execute()
        == 1;
  }

  List<RunCommand> commands(Tx tx, int replica) {
    return tx.query(UpkeepSql.ASKED)
        .bind("replica", replica)
        .map((row, context) ->
            new RunCommand(
                row.getLong("id"),
                row.getLong("conversation_key"),
                new RunId(row.getObject("run_id", UUID.class)),
                RunCommand.Kind.valueOf(row.getString("kind").toUpperCase(Locale.ROOT)),
                (ObjectNode) Json.parse(row.getString("body"))))
        .list();
  }

  void dropCommands(Tx tx, List<Long> ids) {
    if (!ids.isEmpty()) {
      tx.update(UpkeepSql.DROP_COMMANDS).bindArray("ids", Long.class, ids).execute();
    }
  }

  boolean hasReady(Tx tx) {
    return tx.query(UpkeepSql.SMALLEST_TAG).mapTo(Long.class).findOne().isPresent();
  }

  boolean noticeVirtualTime(Tx tx) {
    Optional<Long> smallest = tx.query(UpkeepSql.SMALLEST_TAG).mapTo(Long.class).findOne();
    smallest.ifPresent(tag -> fairShare.claimed(tag - 1));
    return smallest.isPresent();
  }

  private static void refreshHeads(Tx tx, List<Long> boxes) {
    if (!boxes.isEmpty()) {
      tx.update(UpkeepSql.REFRESH_HEADS).bindArray("keys", Long.class, boxes).execute();
    }
  }

  /**
   * How many more of this group may run; the claim counts again under a lock, so that this may be
   * generous.
   */
  private static int room(Tx tx, Held group) {
    if (group.organizationMax() == null && group.agentMax() == null) {
      return Integer.MAX_VALUE;
    }
    return tx.query(ReadSql.COUNT_RUNNING)
        .bind("organization", group.organization())
        .bind("agent", group.agent())
        .map((row, context) ->
            Math.min(
                left(group.organizationMax(), row.getInt("organization_running")),
                left(group.agentMax(), row.getInt("agent_running"))))
        .one();
  }

  private static int left(@Nullable Integer max, int running) {
    return max == null ? Integer.MAX_VALUE : Math.max(0, max - running);
  }
}
