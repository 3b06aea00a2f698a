package io.turnkeeper.eventlog;

import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Tx;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/**
 * A partition of the log for each day, by the time in the run's id. They are made ahead, and
 * dropped whole when their day is past retention and none of its runs is still to come.
 */
final class Partitions {
  /** Made ahead: a database that nobody tends for a week still accepts runs. */
  private static final int DAYS_AHEAD = 7;

  /** Made behind: a clock that lags by a day still finds its partition. */
  private static final int DAYS_BEHIND = 1;

  private static final String PREFIX = "run_events_";
  private static final DateTimeFormatter DAY = DateTimeFormatter.BASIC_ISO_DATE;
  private static final int LOCK_CLASS = 0x746b_6576; // "tkev"

  private final Duration retention;

  Partitions(Duration retention) {
    this.retention = retention;
  }

  /** Makes what is missing and drops what is old, unless another replica is at it. */
  void tend(Tx tx, Instant now) {
    boolean mine =
        tx.query(EventSql.TRY_UPKEEP_LOCK).bind("class", LOCK_CLASS).mapTo(Boolean.class).one();
    if (!mine) {
      return;
    }
    Set<String> there = new HashSet<>(tx.query(EventSql.PARTITIONS).mapTo(String.class).list());
    LocalDate today = LocalDate.ofInstant(now, ZoneOffset.UTC);
    for (int day = -DAYS_BEHIND; day <= DAYS_AHEAD; day++) {
      LocalDate date = today.plusDays(day);
      if (!there.contains(name(date))) {
        tx.update(
                "CREATE TABLE IF NOT EXISTS %s PARTITION OF run_events FOR VALUES FROM ('%s') TO ('%s')"
                    .formatted(name(date), floor(date), floor(date.plusDays(1))))
            .execute();
      }
    }
    LocalDate oldest = LocalDate.ofInstant(now.minus(retention), ZoneOffset.UTC);
    for (String name : List.copyOf(there)) {
      LocalDate date = LocalDate.parse(name.substring(PREFIX.length()), DAY);
      if (date.isBefore(oldest) && !hasLiveRuns(tx, date)) {
        tx.update("DROP TABLE " + name).execute();
      }
    }
  }

  private static boolean hasLiveRuns(Tx tx, LocalDate date) {
    return tx.query(EventSql.HAS_LIVE_RUNS)
        .bind("from", floor(date))
        .bind("to", floor(date.plusDays(1)))
        .mapTo(Boolean.class)
        .one();
  }

  private static String name(LocalDate date) {
    return PREFIX + DAY.format(date);
  }

  private static UUID floor(LocalDate date) {
    return Uuid7.floor(date.atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli());
  }
}
