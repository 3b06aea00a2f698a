package io.turnkeeper.cluster;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;

/**
 * The advisory lock that a replica's session connection holds, and what it listens to meanwhile.
 */
final class SessionLock {
  private SessionLock() {}

  /**
   * @param id the replica whose lock it is
   * @param since when its row was made
   */
  record Taken(int id, OffsetDateTime since) {}

  /** Whoever was alone until now learns from the greeting that somebody listens. */
  static void listen(Connection connection, int id) throws SQLException {
    try (PreparedStatement listen = connection.prepareStatement("LISTEN " + Notifier.CHANNEL);
        PreparedStatement greet = connection.prepareStatement(ClusterSql.GREET)) {
      listen.execute();
      greet.setString(1, Notifier.CHANNEL);
      greet.setString(2, id + ":");
      greet.execute();
    }
  }

  static void takeAgain(Connection connection, int id) throws SQLException {
    try (PreparedStatement lock = connection.prepareStatement(ClusterSql.LOCK_AGAIN)) {
      lock.setInt(1, Cluster.LOCK_CLASS);
      lock.setInt(2, id);
      taken(lock);
      listen(connection, id);
    }
  }

  static Taken taken(PreparedStatement statement) throws SQLException {
    try (ResultSet row = statement.executeQuery()) {
      if (!row.next() || !row.getBoolean("locked")) {
        throw new SQLException("the lock is still held by the old session, whose end is to come");
      }
      return new Taken(row.getInt("id"), row.getObject("started_at", OffsetDateTime.class));
    }
  }
}
