package io.turnkeeper.db;

import java.sql.SQLException;

/** Tells a lost connection from a refused statement. */
public final class ConnectionLoss {
  private ConnectionLoss() {}

  /**
   * True when the cause is a broken or closing connection (SQLSTATE 08xxx, 57P01 to 57P05, 25P03),
   * so that the outcome is unknown.
   */
  public static boolean is(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql && sql.getSQLState() != null) {
        String state = sql.getSQLState();
        return state.startsWith("08") || state.startsWith("57P") || state.equals("25P03");
      }
    }
    return false;
  }
}
