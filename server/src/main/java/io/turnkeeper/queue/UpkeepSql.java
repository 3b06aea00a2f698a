package io.turnkeeper.queue;

/**
 * What moves without a worker: delays that end, caps and pauses that lift, runs that expire or are
 * cancelled unstarted.
 */
final class UpkeepSql {
  static final String PROMOTE_DELAYED =
      """
      UPDATE mailboxes m
         SET state = 'ready', tag = greatest(m.tag, :tag), changed_at = now()
       WHERE m.conversation_key IN (
         SELECT d.conversation_key FROM mailboxes d -- cross-tenant: time passes for all
          WHERE d.state = 'delayed' AND d.ready_at <= now()
          ORDER BY d.ready_at LIMIT :max FOR UPDATE SKIP LOCKED)
      """;

  /**
   * Walks from one (organization, agent, state) to the next by index, whatever hangs below each.
   */
  static final String HELD_GROUPS =
      """
      WITH RECURSIVE held AS (
        (SELECT m.organization_id, m.agent_id, m.state FROM mailboxes m
          WHERE m.state IN ('capped', 'paused') AND m.paused_by IS NULL
          ORDER BY m.organization_id, m.agent_id, m.state LIMIT 1)
        UNION ALL
        SELECT n.organization_id, n.agent_id, n.state
          FROM held CROSS JOIN LATERAL (
            SELECT m.organization_id, m.agent_id, m.state FROM mailboxes m
             WHERE m.state IN ('capped', 'paused') AND m.paused_by IS NULL
               AND (m.organization_id, m.agent_id, m.state)
                   > (held.organization_id, held.agent_id, held.state)
             ORDER BY m.organization_id, m.agent_id, m.state LIMIT 1) n
      )
      SELECT h.organization_id, h.agent_id, h.state,
             o.max_running AS organization_max, <agent max> AS agent_max,
             o.paused_at IS NOT NULL OR a.paused_at IS NOT NULL AS paused
        FROM held h
        JOIN organizations o ON o.id = h.organization_id
        JOIN agents a ON a.organization_id = h.organization_id AND a.id = h.agent_id
      """
          .replace("<agent max>", Remote.AGENT_MAX);

  static final String LIFT =
      """
      UPDATE mailboxes m SET state = 'ready', changed_at = now()
       WHERE m.conversation_key IN (
         SELECT h.conversation_key FROM mailboxes h
          WHERE h.organization_id = :organization AND h.agent_id = :agent AND h.state = :state
            AND h.state IN ('capped', 'paused') AND h.paused_by IS NULL
          ORDER BY h.tag LIMIT :max FOR UPDATE SKIP LOCKED)
      """;

  static final String EXPIRED =
      """
      SELECT r.id FROM runs r -- cross-tenant: time passes for all
       WHERE r.status = 'pending' AND r.expires_at IS NOT NULL AND r.expires_at <= now()
       ORDER BY r.expires_at LIMIT :max
      """;

  static final String LOCK_BOXES_OF =
      """
      SELECT m.conversation_key FROM mailboxes m -- cross-tenant: ids were found in their organizations
       WHERE m.conversation_key IN (
         SELECT r.conversation_key FROM runs r WHERE r.id = ANY (:runs::uuid[]))
       ORDER BY m.conversation_key FOR UPDATE
      """;

  static final String END_PENDING =
      """
      WITH ended AS (
        UPDATE runs r SET status = :status, error = :error::jsonb, output = '[]',
               finished_at = now()
         WHERE r.id = ANY (:runs::uuid[]) AND r.status = 'pending'
        RETURNING r.id, r.organization_id, r.conversation_key
      ), box AS (
        UPDATE mailboxes m SET pending = m.pending - e.ended,
               state = CASE WHEN m.state <> 'leased' AND m.pending = e.ended THEN 'idle'
                            ELSE m.state END,
               changed_at = now()
          FROM (SELECT conversation_key, count(*)::int AS ended FROM ended GROUP BY 1) e
         WHERE m.conversation_key = e.conversation_key
      ), asked AS (
        DELETE FROM run_commands c USING ended e WHERE c.run_id = e.id
      )
      SELECT id, organization_id, conversation_key FROM ended
      """;

  /** After a head was taken out: the next one decides. */
  static final String REFRESH_HEADS =
      """
      UPDATE mailboxes m -- cross-tenant: rows that this transaction has locked
         SET state = CASE WHEN m.state IN ('capped', 'paused') THEN m.state
                          WHEN h.run_at > now() THEN 'delayed' ELSE 'ready' END,
             ready_at = h.run_at, priority = h.priority
        FROM unnest(:keys::bigint[]) AS i(conversation_key)
       CROSS JOIN LATERAL (
         SELECT r.run_at, r.priority FROM runs r
          WHERE r.conversation_key = i.conversation_key
            AND r.status IN ('pending', 'running', 'waiting')
          ORDER BY r.turn LIMIT 1) h
       WHERE m.conversation_key = i.conversation_key AND m.state NOT IN ('idle', 'leased')
      """;

  static final String PAUSE_CONVERSATION =
      """
      UPDATE mailboxes m
         SET paused_by = :by, changed_at = now(),
             state = CASE WHEN m.state IN ('ready', 'delayed', 'capped') THEN 'paused'
                          ELSE m.state END
       WHERE m.organization_id = :organization AND m.conversation_key = :key
      """;

  static final String RESUME_CONVERSATION =
      """
      UPDATE mailboxes m
         SET paused_by = NULL, changed_at = now(),
             state = CASE WHEN m.state = 'paused' THEN 'ready' ELSE m.state END
       WHERE m.organization_id = :organization AND m.conversation_key = :key
         AND m.paused_by IS NOT NULL
      """;

  static final String ASK =
      """
      INSERT INTO run_commands (organization_id, conversation_key, run_id, kind, body)
      SELECT r.organization_id, r.conversation_key, r.id, :kind, :body::jsonb
        FROM runs r
       WHERE r.organization_id = :organization AND r.id = :run
         AND r.status IN ('running', 'waiting')
      """;

  static final String MARK_CANCEL =
      """
      UPDATE runs SET cancel_requested = :reason
       WHERE organization_id = :organization AND id = :run AND status IN ('running', 'waiting')
      """;

  /**
   * What was asked of runs that a replica holds. Takes nothing out: were the answer lost, it would
   * be too. From the commands to their mailboxes, never the other way: there are few commands, and
   * a replica may hold ten thousand mailboxes.
   */
  static final String ASKED =
      """
      SELECT c.id, c.conversation_key, c.run_id, c.kind, c.body
        FROM run_commands c -- cross-tenant: a replica serves all tenants
       CROSS JOIN LATERAL (
         SELECT m.replica_id FROM mailboxes m
          WHERE m.conversation_key = c.conversation_key OFFSET 0) held
       WHERE held.replica_id = :replica
       ORDER BY c.id
      """;

  static final String DROP_COMMANDS =
      """
      DELETE FROM run_commands c -- cross-tenant: a replica serves all tenants
       WHERE c.id = ANY (:ids::bigint[])
      """;

  static final String SMALLEST_TAG =
      """
      SELECT m.tag FROM mailboxes m -- cross-tenant: fairness is between tenants
       WHERE m.state = 'ready' ORDER BY m.priority DESC, m.tag, m.conversation_key LIMIT 1
      """;

  static final String DELETE_RUN =
      """
      DELETE FROM runs
       WHERE organization_id = :organization AND id = :run
         AND status IN ('completed', 'failed', 'cancelled', 'timeout')
      """;

  private UpkeepSql() {}
}
