package io.turnkeeper.db;

import java.util.concurrent.ThreadFactory;
import java.util.function.LongSupplier;
import javax.sql.DataSource;

/** The simulator's way to a {@link Db} over its own connections. */
public final class SimDb {
  private SimDb() {}

  public static Db over(DataSource source, ThreadFactory writers, LongSupplier nanos) {
    return Db.over(source, writers, nanos);
  }
}
