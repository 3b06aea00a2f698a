package io.turnkeeper.db;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import javax.sql.DataSource;
import org.jdbi.v3.core.ConnectionFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The connections that somebody has out of a pool, so that they can be broken from outside. */
final class InUse implements ConnectionFactory {
  private static final Logger log = LoggerFactory.getLogger(InUse.class);

  private final DataSource pool;
  private final LongSupplier nanos;

  /** Each with when it was taken. */
  private final Map<Connection, Long> taken = new ConcurrentHashMap<>();

  /**
   * @param nanos a monotonic count of nanoseconds
   */
  InUse(DataSource pool, LongSupplier nanos) {
    this.nanos = nanos;
    this.pool = pool;
  }

  @Override
  public Connection openConnection() throws SQLException {
    Connection connection = pool.getConnection();
    taken.put(connection, nanos.getAsLong());
    return connection;
  }

  @Override
  public void closeConnection(Connection connection) throws SQLException {
    taken.remove(connection);
    connection.close();
  }

  /** One that is given back meanwhile is left alone: the pool's wrapper does nothing any more. */
  void abort(Duration longerThan) {
    long now = nanos.getAsLong();
    taken.forEach((connection, since) -> {
      if (now - since >= longerThan.toNanos()) {
        try {
          connection.abort(Runnable::run);
        } catch (SQLException alreadyGone) {
          log.trace("breaking a connection", alreadyGone);
        }
      }
    });
  }
}
