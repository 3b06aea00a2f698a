package io.turnkeeper.sim;

import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.DriverPropertyInfo;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/** Gives session connections to simulated processes, which ask for them by URL. */
final class SimDriver implements Driver {
  private static final String PREFIX = "jdbc:postgresql://simulated/";
  private static final Map<String, SimProcess> PROCESSES = new ConcurrentHashMap<>();
  private static final AtomicLong NUMBER = new AtomicLong();

  static {
    try {
      // The first that takes a URL serves it, and PostgreSQL's takes ours too.
      Driver real = DriverManager.getDriver("jdbc:postgresql://localhost/any");
      DriverManager.deregisterDriver(real);
      DriverManager.registerDriver(new SimDriver());
      DriverManager.registerDriver(real);
    } catch (SQLException failed) {
      throw new ExceptionInInitializerError(failed);
    }
  }

  private SimDriver() {}

  /** The URL by which the process gets its session connections. */
  static String url(SimProcess process) {
    String url = PREFIX + NUMBER.incrementAndGet();
    PROCESSES.put(url, process);
    return url;
  }

  static void forget(String url) {
    PROCESSES.remove(url);
  }

  @Override
  public @Nullable Connection connect(String url, Properties as) throws SQLException {
    SimProcess process = PROCESSES.get(url);
    return process == null ? null : process.openSession();
  }

  @Override
  public boolean acceptsURL(String url) {
    return url.startsWith(PREFIX);
  }

  @Override
  public DriverPropertyInfo[] getPropertyInfo(String url, Properties as) {
    return new DriverPropertyInfo[0];
  }

  @Override
  public int getMajorVersion() {
    return 1;
  }

  @Override
  public int getMinorVersion() {
    return 0;
  }

  @Override
  public boolean jdbcCompliant() {
    return false;
  }

  @Override
  public Logger getParentLogger() throws SQLFeatureNotSupportedException {
    throw new SQLFeatureNotSupportedException();
  }
}
