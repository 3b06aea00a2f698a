package io.turnkeeper.conversation;

/** The statements on conversations. */
final class ConversationSql {
  /** Ids come sorted, so that two batches lock in the same order. */
  static final String CREATE_MISSING =
      """
      INSERT INTO conversations (organization_id, agent_id, id, metadata, ephemeral)
      SELECT i.organization_id, i.agent_id, i.id, i.metadata::jsonb, i.ephemeral
        FROM unnest(:organizations::uuid[], :agents::uuid[], :ids::text[], :metadata::text[],
                    :ephemeral::boolean[])
             AS i(organization_id, agent_id, id, metadata, ephemeral)
      ON CONFLICT (organization_id, id) DO NOTHING
      """;

  static final String BIND =
      """
      UPDATE conversations c
         SET agent_id = i.agent_id,
             metadata = i.metadata::jsonb || c.metadata
        FROM unnest(:organizations::uuid[], :agents::uuid[], :ids::text[], :metadata::text[])
             AS i(organization_id, agent_id, id, metadata)
       WHERE c.organization_id = i.organization_id AND c.id = i.id AND c.agent_id IS NULL
      """;

  static final String KEYS =
      """
      SELECT c.organization_id, c.id, c.key, c.agent_id
        FROM unnest(:organizations::uuid[], :ids::text[]) AS i(organization_id, id)
        JOIN conversations c ON c.organization_id = i.organization_id AND c.id = i.id
      """;

  static final String CREATE =
      """
      INSERT INTO conversations (organization_id, id, metadata, ephemeral)
      VALUES (:organization, :id, :metadata::jsonb, false)
      ON CONFLICT (organization_id, id) DO NOTHING
      """;

  /** What its runs say of a conversation is read, never kept twice. */
  private static final String SELECT =
      """
      SELECT c.organization_id, c.agent_id, c.key, c.id, c.metadata, c.ephemeral, c.created_at,
             greatest(c.updated_at, m.changed_at, last.finished_at) AS updated_at,
             CASE WHEN live.status = 'waiting' THEN 'WAITING'
                  WHEN live.status IS NOT NULL THEN 'BUSY'
                  WHEN last.status IN ('failed', 'timeout') THEN 'FAILED'
                  ELSE 'IDLE' END AS activity
        FROM conversations c
        LEFT JOIN mailboxes m ON m.conversation_key = c.key
        LEFT JOIN LATERAL (
          SELECT r.status FROM runs r
           WHERE r.conversation_key = c.key AND r.status IN ('pending', 'running', 'waiting')
           ORDER BY r.turn LIMIT 1) live ON true
        LEFT JOIN LATERAL (
          SELECT r.status, r.finished_at FROM runs r
           WHERE r.conversation_key = c.key ORDER BY r.turn DESC LIMIT 1) last ON true
      """;

  static final String FIND = SELECT + " WHERE c.organization_id = :organization AND c.id = :id";

  private static final String FILTER =
      """
       WHERE c.organization_id = :organization AND NOT c.ephemeral
         AND (:metadata::jsonb IS NULL OR c.metadata @> :metadata::jsonb)
         AND (:ids::text[] IS NULL OR c.id = ANY (:ids::text[]))
         AND (:agent::text IS NULL OR c.agent_id IN (
               SELECT a.id FROM agents a
                WHERE a.organization_id = :organization AND a.name = :agent))
      """;

  static final String SEARCH_CREATED =
      SELECT + FILTER + " ORDER BY c.created_at DESC, c.key DESC LIMIT :limit OFFSET :offset";

  /** Any other order or a filter on activity: computed, so the organization's rows are read. */
  static final String SEARCH =
      "SELECT * FROM ("
          + SELECT
          + FILTER
          + """
          ) found
           WHERE (:activity::text IS NULL OR found.activity = :activity)
           ORDER BY
             CASE WHEN :ascending AND :order = 'CREATED' THEN found.created_at END ASC,
             CASE WHEN NOT :ascending AND :order = 'CREATED' THEN found.created_at END DESC,
             CASE WHEN :ascending AND :order = 'UPDATED' THEN found.updated_at END ASC,
             CASE WHEN NOT :ascending AND :order = 'UPDATED' THEN found.updated_at END DESC,
             CASE WHEN :ascending AND :order = 'ID' THEN found.id END ASC,
             CASE WHEN NOT :ascending AND :order = 'ID' THEN found.id END DESC,
             CASE WHEN :ascending AND :order = 'ACTIVITY' THEN found.activity END ASC,
             CASE WHEN NOT :ascending AND :order = 'ACTIVITY' THEN found.activity END DESC,
             found.key DESC
           LIMIT :limit OFFSET :offset
          """;

  static final String COUNT =
      "SELECT count(*) FROM ("
          + SELECT
          + FILTER
          + ") found WHERE (:activity::text IS NULL OR found.activity = :activity)";

  static final String MERGE_METADATA =
      """
      UPDATE conversations SET metadata = metadata || :metadata::jsonb, updated_at = now()
       WHERE organization_id = :organization AND id = :id
      """;

  /** Made for one stateless run each, and long enough after it that whoever streamed it is done. */
  static final String FORGOTTEN =
      """
      SELECT c.organization_id, c.agent_id, c.key, c.id
        FROM conversations c -- cross-tenant: time passes for all
        LEFT JOIN mailboxes m ON m.conversation_key = c.key
       WHERE c.ephemeral AND c.created_at < now() - :after_ms * interval '1 millisecond'
         AND NOT EXISTS (SELECT FROM deletions d WHERE d.conversation_key = c.key)
         AND NOT EXISTS (SELECT FROM webhook_deliveries w
                          WHERE w.conversation_key = c.key AND w.state = 'due')
         AND (m.state IS NULL
              OR m.state = 'idle' AND m.changed_at < now() - :after_ms * interval '1 millisecond')
       ORDER BY c.created_at LIMIT :max
      """;

  private ConversationSql() {}
}
