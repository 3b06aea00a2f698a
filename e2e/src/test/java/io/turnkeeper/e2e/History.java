package io.turnkeeper.e2e;

/** Conversations with a past, by statements of seconds. */
final class History {
  private History() {}

  /** So many ended conversations of one turn each over the minutes until now; some failed. */
  static void insert(Postgres database, String agent, int count, int minutes) {
    database.sql(
        """
        WITH made AS (
          INSERT INTO conversations (organization_id, agent_id, id, metadata, created_at, updated_at)
          SELECT a.organization_id, a.id, 'order-' || a.name || '-' || n,
                 jsonb_build_object('user', (ARRAY['ada', 'grace', 'linus', 'barbara'])[1 + n %% 4]),
                 s.at, s.at
            FROM agents a
           CROSS JOIN generate_series(1, %1$d) n
           CROSS JOIN LATERAL (
             SELECT now() - interval '5 s'
                      - (n + 0.2 * n * sin(n)) / %1$d / 1.2 * interval '%2$d minutes' AS at) s
           WHERE a.name = '%3$s'
          RETURNING key, organization_id, agent_id, created_at AS at
        ), kept AS (
          INSERT INTO mailboxes (conversation_key, organization_id, agent_id, next_turn, changed_at)
          SELECT key, organization_id, agent_id, 2, at FROM made
        )
        INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn, status, attempt,
                          agent_version, epoch, action_input, output, error, created_at, started_at,
                          finished_at)
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
                  || substr(md5(key::text), 1, 3) || '8' || substr(md5(key || '+'), 1, 15))::uuid,
               organization_id, agent_id, key, 1,
               CASE WHEN key %% 97 = 0 THEN 'failed' ELSE 'completed' END, 1, 1, 1,
               '{"messages": [{"type": "human", "content": "Where is my order?"}]}', '[]',
               CASE WHEN key %% 97 = 0
                 THEN '{"code": "agent_crashed", "message": "the agent exited with 3"}'::jsonb END,
               at, at + (3 + key %% 29) * interval '1 ms',
               least(at + (400 + key %% 2900) * interval '1 ms', now())
          FROM made
        """
            .formatted(count, minutes, agent));
    database.sql("ANALYZE conversations, mailboxes, runs");
  }
}
