package io.turnkeeper.cluster;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * The advisory lock that a replica's session connection holds, and what it listens to meanwhile.
 */
final class SessionLock {
  private SessionLock() {}

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
      lock.setInt(1, id);
      lock.setInt(2, Cluster.LOCK_CLASS);
      lock.setInt(3, id);
      taken(lock);
      listen(connection, id);
    }
  }

  static int taken(PreparedStatement statement) throws SQLException {
    try (ResultSet row = statement.executeQuery()) {
      if (!row.next() || !row.getBoolean("locked")) {
        throw new SQLException("the lock is still held by the old session, whose end is to come");
      }
      return row.getInt("id");
    }
  }
}
