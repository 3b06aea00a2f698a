package io.turnkeeper.queue;

/** Reads. None needs a lease, so any replica answers. */
final class ReadSql {
  static final String RUN =
      """
      SELECT r.*, c.id AS conversation_id
        FROM runs r JOIN conversations c ON c.key = r.conversation_key
       WHERE r.organization_id = :organization AND r.id = :run
      """;

  static final String RUNS_OF_CONVERSATION =
      """
      SELECT r.*, c.id AS conversation_id
        FROM runs r JOIN conversations c ON c.key = r.conversation_key
       WHERE r.organization_id = :organization AND r.conversation_key = :key
         AND (:status::text IS NULL OR r.status = ANY (string_to_array(:status, ',')))
       ORDER BY r.turn DESC LIMIT :limit OFFSET :offset
      """;

  /** The turns in order, up to a turn. */
  static final String TURNS =
      """
      SELECT r.*, c.id AS conversation_id
        FROM runs r JOIN conversations c ON c.key = r.conversation_key
       WHERE r.organization_id = :organization AND r.conversation_key = :key AND r.turn <= :upto
       ORDER BY r.turn
      """;

  static final String TURNS_AFTER =
      """
      SELECT r.*, c.id AS conversation_id
        FROM runs r JOIN conversations c ON c.key = r.conversation_key
       WHERE r.organization_id = :organization AND r.conversation_key = :key AND r.turn > :after
       ORDER BY r.turn LIMIT :limit
      """;

  static final String LIVE =
      """
      SELECT r.*, c.id AS conversation_id
        FROM runs r JOIN conversations c ON c.key = r.conversation_key
       WHERE r.organization_id = :organization AND r.conversation_key = :key
         AND r.status IN ('pending', 'running', 'waiting')
       ORDER BY r.turn
      """;

  /** Newest first, by keyset: the id is ordered by time. */
  static final String RUNS =
      """
      SELECT r.*, c.id AS conversation_id
        FROM runs r JOIN conversations c ON c.key = r.conversation_key
       WHERE r.organization_id = :organization
         AND (:before::uuid IS NULL OR r.id < :before::uuid)
         AND (:status::text IS NULL OR r.status = :status)
         AND (:agent::uuid IS NULL OR r.agent_id = :agent::uuid)
       ORDER BY r.id DESC LIMIT :limit
      """;

  /** The same of one conversation, whose turns have an order of their own. */
  static final String RUNS_IN =
      """
      SELECT r.*, c.id AS conversation_id
        FROM conversations c JOIN runs r ON r.conversation_key = c.key
       WHERE c.organization_id = :organization AND c.id = :conversation
         AND (:before::uuid IS NULL
              OR r.turn < (SELECT b.turn FROM runs b WHERE b.id = :before::uuid))
         AND (:status::text IS NULL OR r.status = :status)
         AND (:agent::uuid IS NULL OR r.agent_id = :agent::uuid)
       ORDER BY r.turn DESC LIMIT :limit
      """;

  static final String WHY =
      """
      SELECT r.status, r.turn, r.attempt, r.run_at, r.run_at > now() AS delayed,
             r.started_at, r.finished_at, r.created_at, r.agent_id, r.conversation_key,
             m.state, m.running, m.replica_id, m.tag, m.priority, m.changed_at, m.paused_by,
             p.address,
             head.id AS head_id, head.status AS head_status, head.turn AS head_turn,
             head.run_at AS head_run_at, head.attempt AS head_attempt,
             head.run_at > now() AS head_delayed,
             o.paused_at AS organization_paused_at, o.paused_by AS organization_paused_by,
             o.max_running AS organization_max,
             a.paused_at AS agent_paused_at, a.paused_by AS agent_paused_by,
             <agent max> AS agent_max, a.remote
        FROM runs r
        JOIN mailboxes m ON m.conversation_key = r.conversation_key
        JOIN organizations o ON o.id = r.organization_id
        JOIN agents a ON a.organization_id = r.organization_id AND a.id = r.agent_id
        LEFT JOIN replicas p ON p.id = m.replica_id
        LEFT JOIN LATERAL (
          SELECT h.id, h.status, h.turn, h.run_at, h.attempt FROM runs h
           WHERE h.conversation_key = r.conversation_key
             AND h.status IN ('pending', 'running', 'waiting')
           ORDER BY h.turn LIMIT 1) head ON true
       WHERE r.organization_id = :organization AND r.id = :run
      """
          .replace("<agent max>", Remote.AGENT_MAX);

  static final String COUNT_AHEAD =
      """
      SELECT count(*) FROM runs r
       WHERE r.organization_id = :organization AND r.conversation_key = :key
         AND r.status IN ('pending', 'running', 'waiting') AND r.turn < :turn
      """;

  static final String COUNT_RUNNING =
      """
      SELECT count(*) AS organization_running,
             count(*) FILTER (WHERE m.agent_id = :agent) AS agent_running
        FROM mailboxes m WHERE m.running AND m.organization_id = :organization
      """;

  /** Bounded: whoever asks wants to know whether it is many. */
  static final String READY_AHEAD =
      """
      SELECT count(*) FROM (
        (SELECT 1 FROM mailboxes m -- cross-tenant: the line is one for all; only its length shows
          WHERE m.state = 'ready' AND m.priority > :priority
          ORDER BY m.priority DESC, m.tag LIMIT 1000)
        UNION ALL
        (SELECT 1 FROM mailboxes m
          WHERE m.state = 'ready' AND m.priority = :priority AND m.tag < :tag
          ORDER BY m.tag LIMIT 1000)
        LIMIT 1000) ahead
      """;

  /** For gauges and status. Each part reads one partial index: idle conversations cost nothing. */
  static final String DEPTH =
      """
      WITH busy AS (
        SELECT 'ready' AS state, count(*) AS boxes, sum(m.pending) AS pending, 0 AS running,
               min(m.changed_at) AS since
          FROM mailboxes m WHERE m.state = 'ready' -- cross-tenant: the whole service's depth
        UNION ALL
        SELECT 'delayed', count(*), sum(m.pending), 0, NULL
          FROM mailboxes m WHERE m.state = 'delayed'
        UNION ALL
        SELECT m.state, count(*), sum(m.pending), 0, NULL
          FROM mailboxes m
         WHERE m.state IN ('capped', 'paused') AND m.paused_by IS NULL GROUP BY m.state
        UNION ALL
        SELECT 'paused', count(*), sum(m.pending), 0, NULL
          FROM mailboxes m WHERE m.state = 'paused' AND m.paused_by IS NOT NULL
        UNION ALL
        SELECT 'leased', count(*), sum(m.pending), count(*) FILTER (WHERE m.running), NULL
          FROM mailboxes m WHERE m.replica_id IS NOT NULL
      )
      SELECT coalesce(sum(b.boxes) FILTER (WHERE b.state = 'ready'), 0) AS ready,
             coalesce(sum(b.boxes) FILTER (WHERE b.state = 'delayed'), 0) AS delayed,
             coalesce(sum(b.boxes) FILTER (WHERE b.state = 'capped'), 0) AS capped,
             coalesce(sum(b.boxes) FILTER (WHERE b.state = 'paused'), 0) AS paused,
             coalesce(sum(b.boxes) FILTER (WHERE b.state = 'leased'), 0) AS leased,
             coalesce(sum(b.running), 0) AS running, coalesce(sum(b.pending), 0) AS pending,
             coalesce(extract(epoch FROM now() - min(b.since)), 0)::double precision
               AS oldest_ready_seconds
        FROM busy b
      """;

  static final String LEASES =
      """
      SELECT count(*) FROM mailboxes m -- cross-tenant: a replica serves all tenants
       WHERE m.replica_id = :replica
      """;

  private ReadSql() {}
}
