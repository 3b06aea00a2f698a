package io.turnkeeper.db;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.PreparedBatch;
import org.jdbi.v3.core.statement.Query;
import org.jdbi.v3.core.statement.SqlStatement;
import org.jdbi.v3.core.statement.StatementContext;
import org.jdbi.v3.core.statement.StatementCustomizer;
import org.jdbi.v3.core.statement.Update;
import org.jspecify.annotations.Nullable;

/**
 * A transaction under way. Methods that must commit together take the same one as their first
 * parameter; nobody opens a second inside. Statements use named parameters ({@code :name}); arrays
 * are bound as Java arrays.
 *
 * <p>The first statement says whose transaction it is, in the same round trip.
 */
public final class Tx {
  private static final String PARAMETER = "turnkeeper_scope";

  private final Handle handle;
  private @Nullable Entry entry;

  /**
   * What a transaction says before it does anything.
   *
   * @param sql one statement, with the scope as its one parameter
   */
  record Entry(String sql, String scope) {
    static String parameter() {
      return ":" + PARAMETER;
    }
  }

  /**
   * @param entry null when the database takes the connection's user for whom it is
   */
  Tx(Handle handle, @Nullable Entry entry) {
    this.handle = handle;
    this.entry = entry;
  }

  public Query query(String sql) {
    return entering(handle.createQuery(prefixed(sql)));
  }

  public Update update(String sql) {
    return entering(handle.createUpdate(prefixed(sql)));
  }

  public PreparedBatch batch(String sql) {
    enter();
    return handle.prepareBatch(sql);
  }

  /** The JDBC connection, for hot paths. Not to be closed or committed. */
  public Connection connection() {
    enter();
    return handle.getConnection();
  }

  private void enter() {
    Entry saying = entry;
    if (saying != null) {
      handle.createQuery(saying.sql()).bind(PARAMETER, saying.scope()).mapToMap().list();
      entry = null;
    }
  }

  private String prefixed(String sql) {
    Entry saying = entry;
    return saying == null ? sql : saying.sql() + ";\n" + sql;
  }

  private <S extends SqlStatement<S>> S entering(S statement) {
    Entry saying = entry;
    return saying == null
        ? statement
        : statement.bind(PARAMETER, saying.scope()).addCustomizer(new Entered());
  }

  /** Until one was run, every statement says it: which is run first is the caller's affair. */
  private final class Entered implements StatementCustomizer {
    @Override
    public void afterExecution(PreparedStatement statement, StatementContext context)
        throws SQLException {
      entry = null;
      boolean rows = statement.getMoreResults(); // past the answer of the entry
      if (!rows && statement.getUpdateCount() < 0) {
        throw new SQLException("a transaction's first statement had no result of its own");
      }
    }
  }
}
