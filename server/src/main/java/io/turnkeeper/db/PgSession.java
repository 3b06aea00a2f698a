package io.turnkeeper.db;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Properties;
import org.postgresql.PGConnection;

/**
 * A connection of one's own, outside the pool, for what belongs to a session: advisory locks. Used
 * by one thread at a time, except for {@link #close}.
 */
public final class PgSession implements AutoCloseable {
  private final Connection connection;

  private PgSession(Connection connection) {
    this.connection = connection;
  }

  /**
   * Connects.
   *
   * @param name what the database shows as the session's application
   * @param timeout for the connection to be made, in whole seconds
   */
  public static PgSession connect(DatabaseUrl url, String name, Duration timeout)
      throws SQLException {
    Properties as = new Properties();
    url.user().ifPresent(user -> as.setProperty("user", user));
    url.password().ifPresent(password -> as.setProperty("password", password));
    as.setProperty("ApplicationName", name);
    as.setProperty("connectTimeout", Long.toString(timeout.toSeconds()));
    as.setProperty("tcpKeepAlive", "true");
    return new PgSession(DriverManager.getConnection(url.jdbcUrl(), as));
  }

  /** Takes the advisory lock until the session ends. False when another session has it. */
  public boolean tryLock(int space, int id) throws SQLException {
    try (PreparedStatement lock =
        connection.prepareStatement("SELECT pg_try_advisory_lock(?, ?)")) {
      lock.setInt(1, space);
      lock.setInt(2, id);
      try (ResultSet row = lock.executeQuery()) {
        return row.next() && row.getBoolean(1);
      }
    }
  }

  /**
   * Reads from the socket for as long, so that a connection that was cut shows at once.
   *
   * @throws SQLException the session is over
   */
  public void watch(Duration atMost) throws SQLException {
    connection.unwrap(PGConnection.class).getNotifications(Math.toIntExact(atMost.toMillis()));
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
