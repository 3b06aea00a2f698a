package io.turnkeeper.eventlog;

import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Tx;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
  private static final Duration LOCK_WAIT = Duration.ofMillis(500);
  private static final Logger log = LoggerFactory.getLogger(Partitions.class);

  private final Duration retention;

  Partitions(Duration retention) {
    this.retention = retention;
  }

  /**
   * Makes what is missing and drops what is old, unless another replica is at it. Whoever appends
   * or reads is not kept waiting: a partition that cannot be had at once is left for the next time.
   */
  void tend(Tx tx, Instant now) {
    boolean mine =
        tx.query(EventSql.TRY_UPKEEP_LOCK).bind("class", LOCK_CLASS).mapTo(Boolean.class).one();
    if (!mine) {
      return;
    }
    tx.update("SET LOCAL lock_timeout = '" + LOCK_WAIT.toMillis() + "ms'").execute();
    Set<String> there = new HashSet<>(tx.query(EventSql.PARTITIONS).mapTo(String.class).list());
    LocalDate today = LocalDate.ofInstant(now, ZoneOffset.UTC);
    for (int day = -DAYS_BEHIND; day <= DAYS_AHEAD; day++) {
      LocalDate date = today.plusDays(day);
      if (!there.contains(name(date))) {
        make(tx, date);
      }
    }
    LocalDate oldest = LocalDate.ofInstant(now.minus(retention), ZoneOffset.UTC);
    for (String name : there) {
      boolean over = date(name).map(date -> date.isBefore(oldest)).orElse(false);
      if (over && !hasLiveRuns(tx, date(name).orElseThrow())) {
        dropUnlessInUse(tx, name);
      }
    }
  }

  /** Attached, not created as a part: that would lock out the appends to all of the log. */
  private static void make(Tx tx, LocalDate date) {
    tx.update(
            "CREATE TABLE %s (LIKE run_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
                .formatted(name(date)))
        .execute();
    tx.update(
            "ALTER TABLE run_events ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')"
                .formatted(name(date), floor(date), floor(date.plusDays(1))))
        .execute();
  }

  private static void dropUnlessInUse(Tx tx, String name) {
    tx.update("SAVEPOINT in_use").execute();
    try {
      tx.update("DROP TABLE " + name).execute();
    } catch (RuntimeException busy) {
      tx.update("ROLLBACK TO SAVEPOINT in_use").execute();
      log.info("{} is in use: dropped another time", name);
    }
  }

  /** Empty for a partition that somebody else made. */
  private static Optional<LocalDate> date(String name) {
    try {
      return name.startsWith(PREFIX)
          ? Optional.of(LocalDate.parse(name.substring(PREFIX.length()), DAY))
          : Optional.empty();
    } catch (DateTimeParseException foreign) {
      return Optional.empty();
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
