package io.turnkeeper.sim;

import io.turnkeeper.sim.SimDatabase.Physical;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * A connection of a simulated process. Whatever goes over the wire waits until the simulator says
 * so, and may be lost with the connection on the way there or back.
 */
final class Link {
  private final Engine engine;
  final SimProcess process;
  final Physical physical;
  final boolean session;
  private final int number;
  private final Connection face;
  private boolean autoCommit = true;
  private volatile boolean closed;

  /** Cut: the other end is gone. */
  volatile boolean broken;

  /** Cut by the end of the server, which said so. */
  volatile boolean serverEnded;

  /** This side knows that it is cut. */
  volatile boolean noticed;

  /** A transaction is under way. */
  boolean open;

  /** The transaction under way has changed something that the promises are about. */
  boolean wrote;

  /** Something was told in the transaction under way. */
  boolean told;

  /** When the transaction under way began, and when something was last sent. */
  long begunNanos;

  long lastUsedNanos;

  /** When it was last asked whether somebody's lock is still missing. */
  long lookedNanos;

  Link(SimProcess process, Physical physical, boolean session) {
    this.engine = process.engine();
    this.process = process;
    this.physical = physical;
    this.session = session;
    this.number = engine.nextLink();
    this.face = proxy(Connection.class, this::connection);
  }

  Connection face() {
    return face;
  }

  boolean closed() {
    return closed;
  }

  boolean autoCommit() {
    return autoCommit;
  }

  static SQLException lost() {
    return new SQLException("the connection is lost", "08006");
  }

  @SuppressWarnings("unchecked")
  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return (T) Proxy.newProxyInstance(Link.class.getClassLoader(), new Class<?>[] {type}, handler);
  }

  private @Nullable Object connection(
      Object self, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    switch (method.getName()) {
      case "close" -> {
        close();
        return null;
      }
      case "abort" -> {
        engine.abort(this);
        return null;
      }
      case "getWarnings" -> {
        return serverEnded ? new SQLWarning("the server ends", "57P01") : null;
      }
      case "isClosed" -> {
        return closed;
      }
      case "isValid" -> {
        return !closed && !broken;
      }
      case "getAutoCommit" -> {
        return autoCommit;
      }
      case "getTransactionIsolation" -> {
        return Connection.TRANSACTION_READ_COMMITTED;
      }
      case "setTransactionIsolation", "clearWarnings", "setReadOnly" -> {
        return null;
      }
      case "unwrap" -> {
        return proxy(PGConnection.class, this::notifications);
      }
      case "hashCode" -> {
        return number;
      }
      case "equals" -> {
        return args != null && self == args[0];
      }
      case "toString" -> {
        return "link of " + process;
      }
      case "setAutoCommit" -> {
        autoCommit = args != null && Boolean.TRUE.equals(args[0]);
        if (!broken) {
          physical.connection.setAutoCommit(autoCommit);
        }
        return null;
      }
      case "commit" -> {
        return wire(Op.Kind.COMMIT, "COMMIT", method, physical.connection, args);
      }
      case "rollback" -> {
        return broken
            ? null
            : wire(Op.Kind.ROLLBACK, "ROLLBACK", method, physical.connection, args);
      }
      default -> {
        if (broken || closed) {
          throw lost();
        }
      }
    }
    if (method.getName().equals("prepareStatement") && args != null) {
      String sql = engine.fence().rewrite(String.valueOf(args[0]));
      args[0] = sql;
      PreparedStatement real =
          (PreparedStatement) Objects.requireNonNull(call(method, physical.connection, args));
      return proxy(
          PreparedStatement.class, (proxy, called, with) -> statement(real, sql, called, with));
    }
    if (method.getName().equals("createStatement")) {
      Statement real = (Statement) Objects.requireNonNull(call(method, physical.connection, args));
      return proxy(Statement.class, (proxy, called, with) -> statement(real, "", called, with));
    }
    return call(method, physical.connection, args);
  }

  private @Nullable Object statement(
      Object real, String sql, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    if (method.getName().startsWith("execute")) {
      String text = args != null && args.length > 0 ? String.valueOf(args[0]) : sql;
      return wire(Op.Kind.STATEMENT, text, method, real, args);
    }
    if (method.getName().equals("getConnection")) {
      return face;
    }
    return call(method, real, args);
  }

  private @Nullable Object wire(
      Op.Kind kind, String sql, Method method, Object on, @Nullable Object @Nullable [] args)
      throws SQLException {
    return engine.wire(this, kind, sql, () -> call(method, on, args));
  }

  private static @Nullable Object call(Method method, Object on, @Nullable Object @Nullable [] args)
      throws Exception {
    try {
      return method.invoke(on, args);
    } catch (InvocationTargetException failed) {
      if (failed.getCause() instanceof Exception cause) {
        throw cause;
      }
      throw failed;
    }
  }

  private @Nullable Object notifications(
      Object self, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    if (method.getName().equals("getNotifications")) {
      return process.line().idle(this);
    }
    return call(method, physical.connection.unwrap(PGConnection.class), args);
  }

  /** Whether a statement asks for the time, if only for a column's default. */
  static boolean asksForTime(String sql) {
    return sql.contains("now()")
        || sql.contains("clock_timestamp")
        || sql.contains("pg_postmaster")
        || sql.contains("INSERT");
  }

  /** Whether a statement may have to wait for somebody else's lock. */
  static boolean locks(String sql) {
    return sql.contains("FOR ")
        || sql.contains("UPDATE")
        || sql.contains("INSERT")
        || sql.contains("DELETE");
  }

  /** Whether a statement changes what the promises are about. */
  static boolean writes(String sql) {
    String text = sql.toLowerCase(Locale.ROOT);
    return (text.contains("insert into")
            || text.contains("update ") && text.replace("for update", "").contains("update ")
            || text.contains("delete from"))
        && !text.contains("set heartbeat_at");
  }

  private void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
    }
    engine.release(this);
  }
}
