package io.turnkeeper.db;

import java.util.concurrent.ThreadFactory;
import javax.sql.DataSource;

/** The simulator's way to a {@link Db} over its own connections. */
public final class SimDb {
  private SimDb() {}

  public static Db over(DataSource source, ThreadFactory writers) {
    return Db.over(source, writers);
  }
}
