package io.turnkeeper.db;

final class BackfillSql {
  private BackfillSql() {}

  /** Makes the row when there is none, and holds it: one process at a time. */
  static final String TAKE =
      """
      INSERT INTO backfills (name) VALUES (:name)
      ON CONFLICT (name) DO UPDATE SET updated_at = clock_timestamp()
      RETURNING position, filled, passed
      """;

  static final String ADVANCE =
      """
      UPDATE backfills
         SET position = :position, filled = :filled, passed = :passed, finished_at = NULL
       WHERE name = :name
      """;

  static final String FINISH =
      "UPDATE backfills SET finished_at = clock_timestamp() WHERE name = :name";
}
