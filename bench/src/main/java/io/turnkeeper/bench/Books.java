package io.turnkeeper.bench;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;

/** What a load came to, as the database and the programs that ran have it. */
final class Books {
  private static final int ENDS_WITHIN = 60;
  private static final String OPEN =
      "SELECT count(*) FROM runs WHERE status IN ('pending', 'running', 'waiting')";

  /** Runs whose log has a gap, or an event twice, or not one end. */
  private static final String TORN =
      """
      SELECT count(*) FROM (
        SELECT r.id FROM runs r LEFT JOIN run_events e ON e.run_id = r.id
         GROUP BY r.id, r.status
        HAVING count(e.seq) <> coalesce(max(e.seq), 0)
            OR count(*) FILTER (WHERE e.kind = 'run.' || r.status) <> 1
            OR max(e.seq) FILTER (WHERE e.kind = 'run.' || r.status) <> max(e.seq)) torn
      """;

  /**
   * @param lost accepted, and not there
   * @param failed accepted, and ended otherwise than completed
   * @param torn logs with a gap or with more than one end, or none
   * @param repeated begun more than once, as the server says
   * @param doubled begun more than once, as the programs say
   */
  record Outcome(int accepted, int lost, int failed, int torn, int repeated, int doubled) {}

  private Books() {}

  /** Waits until all runs have ended. */
  static Outcome close(Database database, Turns turns, Fleet fleet) throws SQLException {
    if (!Threads.await(50, ENDS_WITHIN, () -> database.number(OPEN) == 0)) {
      throw new IllegalStateException("accepted runs do not end");
    }
    Map<String, String> ended = new HashMap<>();
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT id, status FROM runs")) {
      while (row.next()) {
        ended.put(row.getString(1), row.getString(2));
      }
    }
    List<String> accepted = turns.accepted();
    List<String> executed = fleet.executed();
    return new Outcome(
        accepted.size(),
        (int) accepted.stream().filter(run -> !ended.containsKey(run)).count(),
        (int) accepted.stream()
            .filter(run -> !ended.getOrDefault(run, "completed").equals("completed"))
            .count(),
        (int) database.number(TORN),
        (int) database.number("SELECT count(*) FROM runs WHERE attempt > 1"),
        executed.size() - new HashSet<>(executed).size());
  }
}
