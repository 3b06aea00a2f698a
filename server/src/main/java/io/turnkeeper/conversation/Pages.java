package io.turnkeeper.conversation;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.conversation.StoredConversation.Activity;
import io.turnkeeper.db.Tx;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.statement.Query;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Pages of conversations, by keyset. */
final class Pages {
  /** Rows that one request looks at: about a tenth of a second. */
  private static final int LOOK = 100_000;

  /** The same where each costs a look at its runs. */
  private static final int LOOK_CLOSELY = 20_000;

  private static final String START = "infinity";
  private static final String ALWAYS = "-infinity";
  private static final UUID LAST_RUN = new UUID(-1, -1);

  /** A place in the order: a time and a key, or a run. */
  private record Place(String at, long key, UUID run) {}

  private record Found(ConversationPage.Row row, String cursor) {}

  private Pages() {}

  static ConversationPage page(Tx tx, OrganizationId organization, ConversationFilter filter) {
    Place from = place(filter.cursor());
    Activity activity = filter.activity();
    int look = activity == null ? LOOK : LOOK_CLOSELY;
    Query query =
        switch (activity) {
          case null ->
              tx.query(PageSql.NEWEST)
                  .bind("idle", false)
                  .bind("before_at", from.at())
                  .bind("before_key", from.key());
          case IDLE ->
              tx.query(PageSql.NEWEST)
                  .bind("idle", true)
                  .bind("before_at", from.at())
                  .bind("before_key", from.key());
          case BUSY, WAITING ->
              tx.query(PageSql.BUSY)
                  .bind("waiting", activity == Activity.WAITING)
                  .bind("before_at", from.at())
                  .bind("before_key", from.key());
          case FAILED -> tx.query(PageSql.FAILED).bind("before_run", from.run());
        };
    AgentId agent = filter.agent();
    List<Found> found =
        query
            .bind("organization", organization.value())
            .bind("since", since(filter.since()))
            .bind("text", filter.text())
            .bind("metadata_key", filter.metadataKey())
            .bind("metadata_value", filter.metadataValue())
            .bind("agent", agent == null ? null : agent.value())
            .bind("look", look)
            .bind("limit", filter.limit() + 1)
            .map((row, _) -> read(row))
            .list();
    List<Found> shown = found.subList(0, Math.min(found.size(), filter.limit()));
    List<ConversationPage.Row> rows = new ArrayList<>();
    shown.forEach(one -> rows.add(one.row()));
    if (found.size() > filter.limit()) {
      return new ConversationPage(rows, shown.getLast().cursor(), false);
    }
    if (activity == null || activity == Activity.IDLE) {
      Optional<String> lookedTo = lookedTo(tx, organization, filter, look);
      return new ConversationPage(rows, lookedTo.orElse(null), lookedTo.isPresent());
    }
    return new ConversationPage(rows, null, false);
  }

  private static Optional<String> lookedTo(
      Tx tx, OrganizationId organization, ConversationFilter filter, int look) {
    Place from = place(filter.cursor());
    return tx.query(PageSql.LOOKED_TO)
        .bind("organization", organization.value())
        .bind("before_at", from.at())
        .bind("before_key", from.key())
        .bind("since", since(filter.since()))
        .bind("look", look)
        .map((row, _) -> cursor(row))
        .findOne();
  }

  private static String since(@Nullable Instant since) {
    return since == null ? ALWAYS : since.toString();
  }

  private static Place place(@Nullable String cursor) {
    if (cursor == null) {
      return new Place(START, Long.MAX_VALUE, LAST_RUN);
    }
    try {
      if (cursor.startsWith("r")) {
        UUID run = Uuid7.parse(cursor.substring(1)).orElseThrow(Pages::notACursor);
        return new Place(START, Long.MAX_VALUE, run);
      }
      int dot = cursor.indexOf('.');
      if (dot > 0) {
        long micros = Long.parseLong(cursor.substring(0, dot));
        Instant at =
            Instant.ofEpochSecond(
                Math.floorDiv(micros, 1_000_000L), Math.floorMod(micros, 1_000_000L) * 1_000);
        return new Place(at.toString(), Long.parseLong(cursor.substring(dot + 1)), LAST_RUN);
      }
    } catch (NumberFormatException notOurs) {
      throw notACursor();
    }
    throw notACursor();
  }

  private static Refusal notACursor() {
    return new Refusal.Invalid("invalid_cursor", "cursor", "the cursor is none of an earlier page");
  }

  private static Found read(ResultSet row) throws SQLException {
    UUID agent = row.getObject("agent_id", UUID.class);
    UUID run = row.getObject("position", UUID.class);
    String asked = row.getString("asked");
    return new Found(
        new ConversationPage.Row(
            row.getString("id"),
            agent == null ? null : new AgentId(agent),
            (ObjectNode) Json.parse(row.getString("metadata")),
            Activity.valueOf(row.getString("activity")),
            row.getLong("turns"),
            row.getInt("pending"),
            asked == null ? "" : asked,
            instant(row, "created_at"),
            instant(row, "updated_at")),
        run == null ? cursor(row) : "r" + run);
  }

  private static String cursor(ResultSet row) throws SQLException {
    Instant at = instant(row, "created_at");
    long micros = at.getEpochSecond() * 1_000_000L + at.getNano() / 1_000;
    return micros + "." + row.getLong("key");
  }

  private static Instant instant(ResultSet row, String column) throws SQLException {
    return row.getObject(column, OffsetDateTime.class).toInstant();
  }
}
