package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Rows of {@code runs}, joined with their conversation's id, as records. */
final class RunRows {
  private RunRows() {}

  static Run read(ResultSet row) throws SQLException {
    Conversation conversation =
        new Conversation(
            new OrganizationId(row.getObject("organization_id", UUID.class)),
            new AgentId(row.getObject("agent_id", UUID.class)),
            row.getLong("conversation_key"),
            row.getString("conversation_id"));
    String output = row.getString("output");
    String error = row.getString("error");
    return new Run(
        new RunId(row.getObject("id", UUID.class)),
        conversation,
        row.getLong("turn"),
        row.getString("run_type"),
        RunStatus.of(row.getString("status")),
        row.getInt("priority"),
        row.getInt("attempt"),
        row.getInt("max_attempts"),
        row.getObject("agent_version", Integer.class),
        object(row.getString("action_input")),
        object(row.getString("options")),
        object(row.getString("metadata")),
        output == null ? null : Json.parse(output),
        error == null ? null : object(error),
        row.getString("cancel_requested"),
        row.getString("restore_mode"),
        new Run.Times(
            instantOf(row, "created_at"),
            instantOf(row, "run_at"),
            instant(row, "expires_at"),
            instant(row, "started_at"),
            instant(row, "finished_at")));
  }

  static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
    OffsetDateTime time = row.getObject(column, OffsetDateTime.class);
    return time == null ? null : time.toInstant();
  }

  static Instant instantOf(ResultSet row, String column) throws SQLException {
    return row.getObject(column, OffsetDateTime.class).toInstant();
  }

  private static ObjectNode object(String text) {
    JsonNode node = Json.parse(text);
    return node instanceof ObjectNode object ? object : Json.object();
  }
}
