package io.turnkeeper.bench;

/** Ended runs of long ago, which nothing should notice. */
final class History {
  private History() {}

  static void fill(Database database, int runs) {
    fill(database, runs, "old");
  }

  /**
   * @param prefix of the conversations' ids
   */
  static void fill(Database database, int runs, String prefix) {
    if (runs == 0) {
      return;
    }
    database.execute(
        """
        WITH made AS (
          INSERT INTO conversations (organization_id, agent_id, id)
          SELECT a.organization_id, a.id, '%2$s' || n
            FROM (SELECT * FROM agents LIMIT 1) a, generate_series(1, %1$d) n
          RETURNING key, organization_id, agent_id
        ), boxes AS (
          INSERT INTO mailboxes (conversation_key, organization_id, agent_id, next_turn)
          SELECT key, organization_id, agent_id, 101 FROM made
        )
        INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, status,
                          action_input, output, attempt, created_at, started_at, finished_at)
        SELECT gen_random_uuid(), s.organization_id, s.agent_id, s.key, t, 'completed',
               '{"messages": []}', '[]', 1, now() - interval '9 days', now() - interval '9 days',
               now() - interval '9 days'
          FROM made s, generate_series(1, 100) t
        """
            .formatted(Math.max(1, runs / 100), prefix));
  }

  /** Conversations that have nothing to do. */
  static void conversations(Database database, int count) {
    database.execute(
        """
        WITH made AS (
          INSERT INTO conversations (organization_id, agent_id, id)
          SELECT a.organization_id, a.id, 'idle' || n
            FROM (SELECT * FROM agents LIMIT 1) a, generate_series(1, %d) n
          RETURNING key, organization_id, agent_id
        )
        INSERT INTO mailboxes (conversation_key, organization_id, agent_id)
        SELECT key, organization_id, agent_id FROM made
        """
            .formatted(count));
  }
}
