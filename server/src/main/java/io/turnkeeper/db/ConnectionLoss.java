package io.turnkeeper.db;

import java.sql.SQLException;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Tells a lost connection, a clash of transactions and a full disk from a refused statement. */
public final class ConnectionLoss {
  /** Serialization failure, deadlock, unique violation. */
  private static final Set<String> CLASHES = Set.of("40001", "40P01", "23505");

  private static final String DISK_FULL = "53100";

  private ConnectionLoss() {}

  /**
   * True when the cause is a broken or closing connection (SQLSTATE 08xxx, 57P01 to 57P05, 25P03),
   * so that the outcome is unknown. A failure that the database gave no SQLSTATE comes from the
   * pool, which had closed the connection already.
   */
  public static boolean is(Throwable failure) {
    boolean stateless = false;
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql) {
        String state = sql.getSQLState();
        if (state != null) {
          return state.startsWith("08") || state.startsWith("57P") || state.equals("25P03");
        }
        stateless = true;
      }
    }
    return stateless;
  }

  /**
   * True when two transactions were in each other's way (a deadlock, a unique key that the other
   * one wrote first): nothing was done, and the same work tried again meets what the other one did.
   */
  static boolean isClash(Throwable failure) {
    String state = state(failure);
    return state != null && CLASHES.contains(state);
  }

  /** True when the database had no room to write to: nothing was done. */
  static boolean isDiskFull(Throwable failure) {
    return DISK_FULL.equals(state(failure));
  }

  private static @Nullable String state(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql && sql.getSQLState() != null) {
        return sql.getSQLState();
      }
    }
    return null;
  }
}
