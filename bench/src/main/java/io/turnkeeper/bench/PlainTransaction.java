package io.turnkeeper.bench;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Uuid7;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;

/**
 * The rows of one message, written as anybody would who had only JDBC: two statements and a commit.
 * What the product does beyond it (finding the conversation and the agent) is not in it.
 */
final class PlainTransaction implements AutoCloseable {
  private final Connection connection;
  private final PreparedStatement mailbox;
  private final PreparedStatement run;
  private final List<Conversation> over;

  PlainTransaction(Database database, List<Conversation> over) {
    this.over = over;
    try {
      connection = database.connect();
      connection.setAutoCommit(false);
      mailbox =
          connection.prepareStatement(
              "INSERT INTO mailboxes AS m (conversation_key, organization_id, agent_id, state,"
                  + " pending, next_turn) VALUES (?, ?, ?, 'ready', 1, 2)"
                  + " ON CONFLICT (conversation_key) DO UPDATE SET pending = m.pending + 1,"
                  + " next_turn = m.next_turn + 1 RETURNING next_turn - 1");
      run =
          connection.prepareStatement(
              "INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn,"
                  + " action_input) VALUES (?, ?, ?, ?, ?, ?::jsonb)");
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  void send(int number) {
    Conversation to = over.get(number % over.size());
    try {
      mailbox.setLong(1, to.key());
      mailbox.setObject(2, to.organization().value());
      mailbox.setObject(3, to.agent().value());
      long turn;
      try (var row = mailbox.executeQuery()) {
        row.next();
        turn = row.getLong(1);
      }
      run.setObject(1, Uuid7.next());
      run.setObject(2, to.organization().value());
      run.setObject(3, to.agent().value());
      run.setLong(4, to.key());
      run.setLong(5, turn);
      run.setString(6, Json.write(Engine.input(Engine.TEXT)));
      run.executeUpdate();
      connection.commit();
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }
}
