package io.turnkeeper.conversation;

/**
 * Pages of conversations for people who look on. Each reads along an index and looks at so many
 * rows at most, whatever is asked; what the runs say of a conversation is read only for those that
 * are shown.
 */
final class PageSql {
  private static final String WANTED =
      """
             (:text::text IS NULL OR strpos(lower(c.id), lower(:text::text)) > 0)
         AND (:metadata_key::text IS NULL
              OR c.metadata ->> :metadata_key::text = :metadata_value::text)
         AND (:agent::uuid IS NULL OR c.agent_id = :agent::uuid)
      """;

  private static final String SHOWN =
      """
      SELECT p.key, p.id, p.agent_id, p.metadata, p.created_at, p.position,
             greatest(p.updated_at, m.changed_at, last.finished_at) AS updated_at,
             coalesce(m.next_turn - 1, 0) AS turns, coalesce(m.pending, 0) AS pending,
             left(CASE jsonb_typeof(last.asked -> 'content')
                    WHEN 'string' THEN last.asked ->> 'content'
                    ELSE coalesce(last.asked -> 'content' -> 0 ->> 'text', last.asked #>> '{}')
                  END, 160) AS asked,
             CASE WHEN live.status = 'waiting' THEN 'WAITING'
                  WHEN live.status IS NOT NULL THEN 'BUSY'
                  WHEN last.status IN ('failed', 'timeout') THEN 'FAILED'
                  ELSE 'IDLE' END AS activity
        FROM page p
        LEFT JOIN mailboxes m ON m.conversation_key = p.key
        LEFT JOIN LATERAL (
          SELECT r.status FROM runs r
           WHERE r.conversation_key = p.key AND r.status IN ('pending', 'running', 'waiting')
           ORDER BY r.turn LIMIT 1) live ON true
        LEFT JOIN LATERAL (
          SELECT r.status, r.finished_at, r.action_input -> 'messages' -> -1 AS asked FROM runs r
           WHERE r.conversation_key = p.key ORDER BY r.turn DESC LIMIT 1) last ON true
      """;

  /** Newest first. {@code idle} leaves out those with work or a failure. */
  static final String NEWEST =
      """
      WITH page AS MATERIALIZED (
        SELECT c.key, c.id, c.agent_id, c.metadata, c.created_at, c.updated_at,
               NULL::uuid AS position
          FROM (SELECT * FROM conversations n
                 WHERE n.organization_id = :organization AND NOT n.ephemeral
                   AND (n.created_at, n.key) < (:before_at::timestamptz, :before_key::bigint)
                   AND n.created_at >= :since::timestamptz
                 ORDER BY n.created_at DESC, n.key DESC LIMIT :look) c
         WHERE
      """
          + WANTED
          + """
             AND (NOT :idle
                  OR NOT EXISTS (SELECT 1 FROM mailboxes b
                                  WHERE b.conversation_key = c.key
                                    AND (b.pending > 0 OR b.running))
                 AND coalesce((SELECT e.status NOT IN ('failed', 'timeout') FROM runs e
                                WHERE e.conversation_key = c.key ORDER BY e.turn DESC LIMIT 1),
                              true))
           LIMIT :limit
          )
          """
          + SHOWN
          + " ORDER BY p.created_at DESC, p.key DESC";

  /** How far {@link #NEWEST} has looked, when it has found less than a page. */
  static final String LOOKED_TO =
      """
      SELECT n.created_at, n.key FROM conversations n
       WHERE n.organization_id = :organization AND NOT n.ephemeral
         AND (n.created_at, n.key) < (:before_at::timestamptz, :before_key::bigint)
         AND n.created_at >= :since::timestamptz
       ORDER BY n.created_at DESC, n.key DESC LIMIT 1 OFFSET :look - 1
      """;

  /**
   * With a run that runs or, unless only those are wanted that {@code waiting} for a person, a run
   * that is queued: read from the indexes that hold nothing else.
   */
  static final String BUSY =
      """
      WITH busy AS (
        SELECT m.conversation_key AS key FROM mailboxes m
         WHERE m.running AND m.organization_id = :organization
        UNION
        (SELECT m.conversation_key FROM mailboxes m
          WHERE m.state = 'ready' AND m.organization_id = :organization AND NOT :waiting
          LIMIT :look)
        UNION
        (SELECT m.conversation_key FROM mailboxes m
          WHERE m.state = 'delayed' AND m.organization_id = :organization AND NOT :waiting
          LIMIT :look)
        UNION
        (SELECT m.conversation_key FROM mailboxes m
          WHERE m.state IN ('capped', 'paused') AND m.paused_by IS NULL
            AND m.organization_id = :organization AND NOT :waiting
          LIMIT :look)
        UNION
        (SELECT m.conversation_key FROM mailboxes m
          WHERE m.paused_by IS NOT NULL AND m.pending > 0
            AND m.organization_id = :organization AND NOT :waiting
          LIMIT :look)
        UNION
        (SELECT m.conversation_key FROM mailboxes m
          WHERE m.replica_id IS NOT NULL AND m.pending > 0
            AND m.organization_id = :organization AND NOT :waiting
          LIMIT :look)
      ), page AS MATERIALIZED (
        SELECT c.key, c.id, c.agent_id, c.metadata, c.created_at, c.updated_at,
               NULL::uuid AS position
          FROM busy b JOIN conversations c ON c.key = b.key
         WHERE c.organization_id = :organization AND NOT c.ephemeral
           AND (c.created_at, c.key) < (:before_at::timestamptz, :before_key::bigint)
           AND c.created_at >= :since::timestamptz
           AND (NOT :waiting
                OR EXISTS (SELECT 1 FROM runs w
                            WHERE w.conversation_key = c.key AND w.status = 'waiting'))
           AND
      """
          + WANTED
          + """
           ORDER BY c.created_at DESC, c.key DESC LIMIT :limit
          )
          """
          + SHOWN
          + " ORDER BY p.created_at DESC, p.key DESC";

  /** Whose newest run failed, the newest failure first. */
  static final String FAILED =
      """
      WITH page AS MATERIALIZED (
        SELECT c.key, c.id, c.agent_id, c.metadata, c.created_at, c.updated_at, f.id AS position
          FROM (SELECT r.id, r.conversation_key, r.turn FROM runs r
                 WHERE r.organization_id = :organization AND r.status IN ('failed', 'timeout')
                   AND r.id < :before_run::uuid
                 ORDER BY r.id DESC LIMIT :look) f
          JOIN conversations c ON c.key = f.conversation_key
         WHERE c.created_at >= :since::timestamptz AND NOT c.ephemeral
           AND NOT EXISTS (SELECT 1 FROM runs n
                            WHERE n.conversation_key = f.conversation_key AND n.turn > f.turn)
           AND
      """
          + WANTED
          + """
           ORDER BY f.id DESC LIMIT :limit
          )
          """
          + SHOWN
          + " ORDER BY p.position DESC";

  private PageSql() {}
}
