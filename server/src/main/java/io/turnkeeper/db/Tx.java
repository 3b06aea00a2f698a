package io.turnkeeper.db;

import java.sql.Connection;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.PreparedBatch;
import org.jdbi.v3.core.statement.Query;
import org.jdbi.v3.core.statement.Update;

/**
 * A transaction under way. Methods that must commit together take the same one as their first
 * parameter; nobody opens a second inside. Statements use named parameters ({@code :name}); arrays
 * are bound as Java arrays.
 */
public final class Tx {
  private final Handle handle;

  Tx(Handle handle) {
    this.handle = handle;
  }

  public Query query(String sql) {
    return handle.createQuery(sql);
  }

  public Update update(String sql) {
    return handle.createUpdate(sql);
  }

  public PreparedBatch batch(String sql) {
    return handle.prepareBatch(sql);
  }

  /** The JDBC connection, for hot paths. Not to be closed or committed. */
  public Connection connection() {
    return handle.getConnection();
  }
}
