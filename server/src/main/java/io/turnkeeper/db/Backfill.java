package io.turnkeeper.db;

import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jdbi.v3.core.JdbiException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fills a column that a migration has added, from what rows hold already: page by page in the order
 * of a key, each page a short transaction that also notes how far it came. It may be stopped at any
 * time; the next run goes on from there. Processes that run the same one take turns.
 *
 * <p>It is a file {@code db/backfill/NAME.sql} of two statements: the keys of the next page, by
 * {@code :after} (the last key as text, null at first) and {@code :chunk}; and the update of the
 * rows with {@code :keys}, an array of text. A row that the update leaves alone, or cannot be done
 * for (its value fits no number, say), is passed.
 */
public final class Backfill {
  /** As long as a migration may: see {@link Migrations}. */
  private static final String WAIT_BRIEFLY = "SET LOCAL lock_timeout = '300ms'";

  private static final int CHUNK = 500;
  private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9_]*");
  private static final Pattern END_OF_STATEMENT = Pattern.compile("(?m);\\s*$");

  /** Lock not available, deadlock detected, serialization failure. */
  private static final Set<String> IN_THE_WAY = Set.of("55P03", "40P01", "40001");

  private static final Duration PAUSE = Duration.ofMillis(500);
  private static final Duration IN_THE_WAY_MAX = Duration.ofMinutes(2);
  private static final Logger log = LoggerFactory.getLogger(Backfill.class);

  private final String name;
  private final String page;
  private final String fill;

  private Backfill(String name, String page, String fill) {
    this.name = name;
    this.page = page;
    this.fill = fill;
  }

  /**
   * @param position the last key that is done with; null before the first
   * @param filled rows, of all runs
   * @param passed rows that had nothing to be filled with, of all runs
   */
  public record Progress(@Nullable String position, long filled, long passed) {}

  /**
   * @throws Refusal.NotFound when this release has no such backfill
   */
  public static Backfill named(String name) {
    List<String> statements =
        END_OF_STATEMENT
            .splitAsStream(text(name))
            .map(String::strip)
            .filter(it -> !it.isEmpty())
            .toList();
    if (statements.size() != 2) {
      throw new IllegalStateException("backfill " + name + " is not two statements");
    }
    return new Backfill(name, statements.getFirst(), statements.getLast());
  }

  private static String text(String name) {
    if (NAME.matcher(name).matches()) {
      try (InputStream in = Backfill.class.getResourceAsStream("/db/backfill/" + name + ".sql")) {
        if (in != null) {
          return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
      } catch (IOException unreadable) {
        throw new UncheckedIOException(unreadable);
      }
    }
    throw new Refusal.NotFound("backfill", name);
  }

  /**
   * Goes on until no row is left, or the caller is interrupted.
   *
   * @param committed is told after each page
   * @throws Refusal.Unavailable the database does not answer, or others hold a row's lock for
   *     minutes; what was done stays
   */
  public Progress run(DatabaseUrl url, Consumer<Progress> committed) {
    try (Db db = Db.open(url, 1, Duration.ofSeconds(10))) {
      return run(db, committed);
    }
  }

  private Progress run(Db db, Consumer<Progress> committed) {
    int singly = 0;
    long wellNanos = System.nanoTime();
    while (true) {
      int size = singly > 0 ? 1 : CHUNK;
      try {
        Page done = next(db, size, true);
        if (done.rows() == 0 || Thread.currentThread().isInterrupted()) {
          return done.progress();
        }
        committed.accept(done.progress());
        singly = Math.max(0, singly - 1);
        wellNanos = System.nanoTime();
      } catch (JdbiException failed) {
        String state = sqlState(failed);
        if (IN_THE_WAY.contains(state)) {
          waitOrRefuse(wellNanos);
        } else if (!isOfTheData(state)) {
          throw failed;
        } else if (size > 1) {
          // One of them: the next so many go one by one, until it is found.
          singly = size;
        } else {
          Page passed = next(db, 1, false);
          log.warn(
              "backfill {} passes the row {}: SQLSTATE {}",
              name,
              passed.progress().position(),
              state);
          singly--;
        }
      }
    }
  }

  private record Page(int rows, Progress progress) {}

  private Page next(Db db, int size, boolean filling) {
    return db.inTx(tx -> {
      tx.update(WAIT_BRIEFLY).execute();
      Progress before =
          tx.query(BackfillSql.TAKE)
              .bind("name", name)
              .map((row, context) ->
                  new Progress(
                      row.getString("position"), row.getLong("filled"), row.getLong("passed")))
              .one();
      List<String> keys =
          tx.query(page)
              .bind("after", before.position())
              .bind("chunk", size)
              .mapTo(String.class)
              .list();
      if (keys.isEmpty()) {
        tx.update(BackfillSql.FINISH).bind("name", name).execute();
        return new Page(0, before);
      }
      int filled =
          filling ? tx.update(fill).bind("keys", keys.toArray(String[]::new)).execute() : 0;
      Progress after =
          new Progress(
              keys.getLast(), before.filled() + filled, before.passed() + keys.size() - filled);
      tx.update(BackfillSql.ADVANCE)
          .bind("name", name)
          .bind("position", after.position())
          .bind("filled", after.filled())
          .bind("passed", after.passed())
          .execute();
      return new Page(keys.size(), after);
    });
  }

  private void waitOrRefuse(long wellNanos) {
    if (System.nanoTime() - wellNanos > IN_THE_WAY_MAX.toNanos()) {
      throw new Refusal.Unavailable(
          "backfill_locked",
          "backfill %s waits for a lock that others hold: what was done stays; run it again"
              .formatted(name),
          Duration.ofSeconds(10));
    }
    LockSupport.parkNanos(PAUSE.toNanos());
  }

  /** Data exceptions, and violations of constraints. */
  private static boolean isOfTheData(String state) {
    return state.startsWith("22") || state.startsWith("23");
  }

  private static String sqlState(JdbiException failed) {
    for (Throwable cause = failed; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException sql && sql.getSQLState() != null) {
        return sql.getSQLState();
      }
    }
    return "";
  }
}
