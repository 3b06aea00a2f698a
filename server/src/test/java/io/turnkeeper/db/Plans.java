package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** Pins the plans of hot statements. */
public final class Plans {
  private static final Pattern SLOW = Pattern.compile("Seq Scan on|^\\s*(->)?\\s*Sort\\b");

  private Plans() {}

  /**
   * The statement reads by index and in the index's order. Fill and ANALYZE the tables first: a
   * plan for three rows says nothing.
   */
  public static void assertIndexed(Db db, String sql, Map<String, ?> parameters) {
    assertThat(explain(db, sql, parameters))
        .as("plan of %s", sql)
        .isNotEmpty()
        .noneMatch(line -> SLOW.matcher(line).find());
  }

  /** The plan's lines. The statement is not run. */
  public static List<String> explain(Db db, String sql, Map<String, ?> parameters) {
    return db.inTx(tx ->
        tx.query("EXPLAIN (COSTS OFF) " + sql).bindMap(parameters).mapTo(String.class).list());
  }
}
