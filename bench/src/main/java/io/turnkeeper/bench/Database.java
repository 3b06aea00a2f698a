package io.turnkeeper.bench;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** One database of the server, gone when closed. */
record Database(Postgres server, String name) implements AutoCloseable {
  String url() {
    return server.url(name);
  }

  Connection connect() throws SQLException {
    return server.connect(url());
  }

  void execute(String... statements) {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** The one number that the query answers. */
  double number(String query) {
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(query)) {
      row.next();
      return row.getDouble(1);
    } catch (SQLException failed) {
      throw new IllegalStateException(failed);
    }
  }

  /** What a planner and a disk look like after a while, rather than right after a load. */
  void settle() {
    execute("VACUUM ANALYZE", "CHECKPOINT");
  }

  /** Transactions committed in this database so far; who asks adds one to it. */
  double commits() {
    return number("SELECT xact_commit FROM pg_stat_database WHERE datname = '" + name + "'");
  }

  @Override
  public void close() {
    server.drop(name);
  }
}
