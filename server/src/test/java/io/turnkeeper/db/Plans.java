package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** Pins the plans of statements. */
public final class Plans {
  /** Those whose rows grow with what has been, not with what is. */
  private static final Set<String> GROWING =
      Set.of(
          "conversations",
          "mailboxes",
          "runs",
          "snapshots",
          "snapshot_chunks",
          "replicas",
          "run_events");

  /** Nodes that take in all rows below them before the first comes out, and keep them. */
  private static final Set<String> GATHERING =
      Set.of("Sort", "Incremental Sort", "Hash", "Materialize", "Aggregate", "WindowAgg", "Unique");

  private static final Set<String> SCANS =
      Set.of("Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan");

  /** What a batch may come to; a growing table has a hundred times as many. */
  private static final long ROWS_MAX = 2_500;

  private Plans() {}

  /**
   * The statement reads by index and in the index's order. Fill and ANALYZE the tables first: a
   * plan for three rows says nothing.
   */
  public static void assertIndexed(Db db, String sql, Map<String, ?> parameters) {
    assertThat(wrongs(explain(db, sql, parameters))).as("plan of %s", sql).isEmpty();
  }

  /** The plan for these parameters. The statement is not run. */
  public static JsonNode explain(Db db, String sql, Map<String, ?> parameters) {
    return Json.parse(
            db.inTx(tx ->
                tx.query("EXPLAIN (FORMAT JSON) " + sql)
                    .bindMap(parameters)
                    .mapTo(String.class)
                    .one()))
        .path(0)
        .path("Plan");
  }

  /** The plan that is kept for any parameters. The statement is not run. */
  static JsonNode generic(Db db, String sql) {
    int parameters = Statements.parameters(sql);
    String nulls = String.join(", ", Collections.nCopies(parameters, "NULL"));
    String execute = "EXECUTE pinned" + (parameters == 0 ? "" : "(" + nulls + ")");
    return db.inTx(tx -> {
      try (Statement on = tx.connection().createStatement()) {
        on.execute("SET LOCAL plan_cache_mode = force_generic_plan");
        on.execute("PREPARE pinned AS " + Statements.positional(sql, n -> "$" + n));
        try (ResultSet plan = on.executeQuery("EXPLAIN (FORMAT JSON) " + execute)) {
          plan.next();
          return Json.parse(plan.getString(1)).path(0).path("Plan");
        } finally {
          on.execute("DEALLOCATE pinned");
        }
      } catch (SQLException refused) {
        throw new IllegalStateException(refused);
      }
    });
  }

  /** Runs the statement in this transaction; the pages that it touched. */
  public static long pages(Tx tx, String sql, Map<String, ?> parameters) {
    JsonNode plan =
        Json.parse(
                tx.query("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql)
                    .bindMap(parameters)
                    .mapTo(String.class)
                    .one())
            .path(0)
            .path("Plan");
    return plan.path("Shared Hit Blocks").asLong() + plan.path("Shared Read Blocks").asLong();
  }

  /** What the plan reads or gathers that grows. */
  public static List<String> wrongs(JsonNode plan) {
    List<String> wrongs = new ArrayList<>();
    look(plan, false, wrongs);
    return wrongs;
  }

  private static void look(JsonNode node, boolean limited, List<String> wrongs) {
    String type = node.path("Node Type").asString();
    String table = node.path("Relation Name").asString("");
    long rows = node.path("Plan Rows").asLong();
    boolean grows = GROWING.stream().anyMatch(table::startsWith);
    boolean empty = rows <= 1 && node.path("Filter").isMissingNode();
    if (type.equals("Seq Scan") && grows && !empty) {
      wrongs.add("reads all of " + table);
    }
    if (GATHERING.contains(type) && gathered(node) > ROWS_MAX) {
      wrongs.add(type + " of " + gathered(node) + " rows");
    }
    if (SCANS.contains(type) && !limited && rows > ROWS_MAX) {
      wrongs.add(type + " of " + rows + " rows of " + table);
    }
    boolean below = type.equals("Limit") || (limited && !GATHERING.contains(type));
    for (JsonNode child : node.path("Plans")) {
      look(
          child,
          below && !"InitPlan".equals(child.path("Parent Relationship").asString("")),
          wrongs);
    }
  }

  /** The rows that go into it. */
  private static long gathered(JsonNode node) {
    long rows = 0;
    for (JsonNode child : node.path("Plans")) {
      if ("Outer".equals(child.path("Parent Relationship").asString(""))) {
        rows += child.path("Plan Rows").asLong();
      }
    }
    return rows;
  }
}
