package io.turnkeeper.queue;

/**
 * Claiming mailboxes, and what the holder of a lease may do. Each statement says which plan it must
 * get.
 */
final class LeaseSql {
  /**
   * Must be an index scan on mailboxes_ready and stop at the limit: what cannot run is not in it.
   */
  static final String PICK =
      """
      SELECT m.conversation_key, m.organization_id, m.agent_id, m.tag
        FROM mailboxes m
       WHERE m.state = 'ready'
       ORDER BY m.priority DESC, m.tag, m.conversation_key
       LIMIT :slots
         FOR UPDATE SKIP LOCKED
      """;

  /**
   * With the tag of whoever has waited longest under the agent's cap. Each question is one probe of
   * mailboxes_held: an EXISTS might be hashed, over all that is capped, and a LIMIT without an
   * order may read the table until it meets a row.
   */
  static final String GATES =
      """
      SELECT o.id AS organization_id, a.id AS agent_id,
             o.max_running AS organization_max, <agent max> AS agent_max,
             o.paused_at IS NOT NULL OR a.paused_at IS NOT NULL AS paused,
             CASE WHEN a.max_running IS NOT NULL OR a.remote THEN (
               SELECT h.tag FROM mailboxes h
                WHERE h.organization_id = a.organization_id AND h.agent_id = a.id
                  AND h.state = 'capped' AND h.paused_by IS NULL
                ORDER BY h.tag LIMIT 1) END AS agent_first,
             o.max_running IS NOT NULL AND (
               SELECT h.agent_id FROM mailboxes h
                WHERE h.organization_id = o.id AND h.state = 'capped' AND h.paused_by IS NULL
                ORDER BY h.agent_id LIMIT 1) IS NOT NULL AS organization_waits
        FROM unnest(:organizations::uuid[], :agents::uuid[]) AS i(organization_id, agent_id)
        JOIN organizations o ON o.id = i.organization_id
        JOIN agents a ON a.organization_id = i.organization_id AND a.id = i.agent_id
      """
          .replace("<agent max>", Remote.AGENT_MAX);

  /** Two claims for one capped tenant follow each other; the count below is then exact. */
  static final String LOCK_CAPPED =
      """
      SELECT o.id AS organization_id FROM organizations o
       WHERE o.id = ANY (:organizations::uuid[])
       ORDER BY o.id FOR NO KEY UPDATE
      """;

  static final String COUNT_RUNNING =
      """
      SELECT m.organization_id, m.agent_id, count(*) AS running
        FROM mailboxes m
       WHERE m.running AND m.organization_id = ANY (:organizations::uuid[])
       GROUP BY m.organization_id, m.agent_id
      """;

  /**
   * Takes what stands behind a shut gate out of the next of the line, so that a long backlog of one
   * tenant that may not start is passed at once, and only once.
   */
  static final String SWEEP =
      """
      UPDATE mailboxes m -- cross-tenant: the line is one for all
         SET state = :state, changed_at = now()
       WHERE m.conversation_key IN (
         SELECT line.conversation_key FROM (
           SELECT r.conversation_key, r.organization_id, r.agent_id FROM mailboxes r
            WHERE r.state = 'ready'
            ORDER BY r.priority DESC, r.tag, r.conversation_key
            LIMIT :max FOR UPDATE SKIP LOCKED) line
          WHERE (line.organization_id, line.agent_id) IN (
            SELECT * FROM unnest(:organizations::uuid[], :agents::uuid[])))
      """;

  static final String HOLD_BACK =
      """
      UPDATE mailboxes m -- cross-tenant: rows that this transaction has locked
         SET state = :state, changed_at = now()
       WHERE m.conversation_key = ANY (:keys::bigint[]) AND m.state = 'ready'
      """;

  /**
   * Where the epochs of the server's timeline begin. It grows whenever a standby is promoted or a
   * backup brought back to a point in time, and with it the epochs that were committed last may be
   * gone: what is given out from then on is above them all.
   */
  private static final String EPOCH_FLOOR =
      "(('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer - 1)::bigint << 32";

  /**
   * Takes the leases and starts the head run of each, in one statement: the start is durable before
   * anything runs.
   */
  static final String GRANT =
      """
      WITH fence AS MATERIALIZED (
        SELECT id FROM replicas WHERE id = :replica AND state = 'live' FOR KEY SHARE
      ), granted AS (
        UPDATE mailboxes m
           SET state = 'leased', replica_id = fence.id, epoch = greatest(m.epoch, <floor>) + 1,
               running = true, pending = m.pending - 1, changed_at = now()
          FROM fence
         WHERE m.conversation_key = ANY (:keys::bigint[]) AND m.state = 'ready'
        RETURNING m.conversation_key, m.epoch
      ), head AS (
        SELECT g.conversation_key, g.epoch, h.id
          FROM granted g CROSS JOIN LATERAL (
            SELECT r.id FROM runs r
             WHERE r.conversation_key = g.conversation_key
               AND r.status IN ('pending', 'running', 'waiting')
             ORDER BY r.turn LIMIT 1) h
      )
      UPDATE runs r
         SET status = 'running', attempt = r.attempt + 1, epoch = head.epoch,
             started_at = coalesce(r.started_at, now())
        FROM head JOIN conversations c ON c.key = head.conversation_key
       WHERE r.id = head.id
      RETURNING r.*, c.id AS conversation_id
      """
          .replace("<floor>", EPOCH_FLOOR);

  /**
   * Locks the mailboxes of leases that are still good, in key order, behind the replica's own row.
   */
  static final String LOCK_LEASES =
      """
      WITH fence AS MATERIALIZED (
        SELECT id FROM replicas
         WHERE id = :replica AND state IN ('live', 'draining') FOR KEY SHARE
      )
      SELECT m.conversation_key, m.epoch
        FROM mailboxes m -- cross-tenant: a lease names its conversation
        JOIN unnest(:keys::bigint[], :epochs::bigint[]) AS i(conversation_key, epoch)
          ON i.conversation_key = m.conversation_key AND i.epoch = m.epoch
        JOIN fence ON fence.id = m.replica_id
       ORDER BY m.conversation_key
         FOR UPDATE OF m
      """;

  /** The one place where a run that started gets its terminal status. */
  static final String SETTLE =
      """
      WITH input AS MATERIALIZED (
        SELECT * FROM unnest(:keys::bigint[], :epochs::bigint[], :runs::uuid[], :statuses::text[],
                             :outputs::text[], :errors::text[])
            AS i(conversation_key, epoch, run_id, status, output, error)
      ), settled AS (
        UPDATE runs r
           SET status = i.status, output = i.output::json, error = i.error::jsonb,
               finished_at = now()
          FROM input i
         WHERE r.id = i.run_id AND r.conversation_key = i.conversation_key
           AND r.epoch = i.epoch AND r.status IN ('running', 'waiting')
        RETURNING r.id, r.conversation_key, i.epoch, r.organization_id
      ), box AS (
        UPDATE mailboxes m SET running = false, changed_at = now()
          FROM settled s
         WHERE m.conversation_key = s.conversation_key AND m.epoch = s.epoch
           AND m.replica_id = :replica
        RETURNING m.conversation_key
      ), asked AS (
        DELETE FROM run_commands c USING settled s WHERE c.run_id = s.id
      )
      SELECT s.id FROM settled s JOIN box USING (conversation_key)
      """;

  static final String REQUEUE =
      """
      WITH back AS (
        UPDATE runs r
           SET status = 'pending', run_at = now() + :delay_ms * interval '1 millisecond',
               attempt = r.attempt - CASE WHEN :begun THEN 0 ELSE 1 END
         WHERE r.id = :run AND r.organization_id = :organization
           AND r.conversation_key = :key AND r.epoch = :epoch
           AND r.status IN ('running', 'waiting')
        RETURNING r.conversation_key
      )
      UPDATE mailboxes m SET running = false, pending = m.pending + 1, changed_at = now()
        FROM back
       WHERE m.conversation_key = back.conversation_key AND m.epoch = :epoch
         AND m.replica_id = :replica
      """;

  /** Those with something to do, and whether its time has come. */
  static final String HEADS =
      """
      SELECT m.conversation_key, m.organization_id, m.agent_id, m.tag,
             m.paused_by IS NULL AND h.run_at <= now() AS may_start
        FROM unnest(:keys::bigint[], :epochs::bigint[]) AS i(conversation_key, epoch)
        JOIN mailboxes m ON m.conversation_key = i.conversation_key AND m.epoch = i.epoch
       CROSS JOIN LATERAL (
         SELECT r.run_at FROM runs r
          WHERE r.conversation_key = m.conversation_key
            AND r.status IN ('pending', 'running', 'waiting')
          ORDER BY r.turn LIMIT 1) h
       WHERE m.replica_id = :replica AND m.state = 'leased' AND NOT m.running
         AND m.pending > 0
      """;

  static final String START_NEXT =
      """
      WITH box AS (
        UPDATE mailboxes m
           SET running = true, pending = m.pending - 1, changed_at = now()
          FROM unnest(:keys::bigint[], :epochs::bigint[]) AS i(conversation_key, epoch)
         WHERE m.conversation_key = i.conversation_key AND m.epoch = i.epoch
           AND m.replica_id = :replica AND m.state = 'leased' AND NOT m.running
        RETURNING m.conversation_key, m.epoch
      ), head AS (
        SELECT b.conversation_key, b.epoch, h.id
          FROM box b CROSS JOIN LATERAL (
            SELECT r.id FROM runs r
             WHERE r.conversation_key = b.conversation_key
               AND r.status IN ('pending', 'running', 'waiting')
             ORDER BY r.turn LIMIT 1) h
      )
      UPDATE runs r
         SET status = 'running', attempt = r.attempt + 1, epoch = head.epoch,
             started_at = coalesce(r.started_at, now())
        FROM head JOIN conversations c ON c.key = head.conversation_key
       WHERE r.id = head.id
      RETURNING r.*, c.id AS conversation_id
      """;

  /**
   * Gives leases back. The rows are locked already, so the head that decides is the newest there
   * is.
   */
  static final String RELEASE =
      """
      UPDATE mailboxes m -- cross-tenant: a lease names its conversation
         SET state = CASE WHEN m.pending = 0 THEN 'idle'
                          WHEN m.paused_by IS NOT NULL THEN 'paused'
                          WHEN h.run_at > now() THEN 'delayed'
                          ELSE 'ready' END,
             replica_id = NULL, running = false, tag = i.tag,
             priority = coalesce(h.priority, 0), ready_at = coalesce(h.run_at, now()),
             changed_at = now()
        FROM unnest(:keys::bigint[], :epochs::bigint[], :tags::bigint[])
             AS i(conversation_key, epoch, tag)
        LEFT JOIN LATERAL (
          SELECT r.run_at, r.priority FROM runs r
           WHERE r.conversation_key = i.conversation_key
             AND r.status IN ('pending', 'running', 'waiting')
           ORDER BY r.turn LIMIT 1) h ON true
       WHERE m.conversation_key = i.conversation_key AND m.epoch = i.epoch
         AND m.replica_id = :replica
      RETURNING m.conversation_key, m.state = 'ready' AS ready
      """;

  static final String SET_WAITING =
      """
      UPDATE runs r SET status = :to
        FROM mailboxes m, replicas p
       WHERE r.id = :run AND r.organization_id = :organization
         AND r.status IN ('running', 'waiting')
         AND m.conversation_key = r.conversation_key AND m.epoch = :epoch
         AND m.replica_id = :replica AND r.epoch = m.epoch
         AND p.id = m.replica_id AND p.state IN ('live', 'draining')
      """;

  static final String SET_FACTS =
      """
      UPDATE runs r SET agent_version = :version, restore_mode = coalesce(:restore, restore_mode)
        FROM mailboxes m
       WHERE r.id = :run AND r.organization_id = :organization
         AND m.conversation_key = r.conversation_key AND m.epoch = :epoch
         AND m.replica_id = :replica AND r.epoch = m.epoch
      """;

  /** The run that a lease has under way, as far as the database knows. */
  static final String UNDER_WAY =
      """
      SELECT r.*, c.id AS conversation_id
        FROM mailboxes m
        JOIN runs r ON r.conversation_key = m.conversation_key
         AND r.status IN ('running', 'waiting')
        JOIN conversations c ON c.key = m.conversation_key
       WHERE m.organization_id = :organization AND m.conversation_key = :key
         AND m.epoch = :epoch AND m.replica_id = :replica
       ORDER BY r.turn LIMIT 1
      """;

  /**
   * The lease of a run under way, whoever holds it. The holder's row is locked, so that a takeover
   * comes either before or after the whole transaction. By primary keys only.
   */
  static final String HELD =
      """
      SELECT r.*, c.id AS conversation_id, m.epoch AS lease_epoch, m.replica_id AS holder
        FROM runs r
        JOIN conversations c ON c.key = r.conversation_key
        JOIN mailboxes m ON m.conversation_key = r.conversation_key
        JOIN replicas p ON p.id = m.replica_id
       WHERE r.id = :run AND r.organization_id = :organization
         AND r.status IN ('running', 'waiting') AND r.epoch = m.epoch
         AND p.state IN ('live', 'draining')
         FOR KEY SHARE OF p
      """;

  /**
   * First statement of a takeover: no write of the dead replica can be under way after it. Locks in
   * key order, as everybody does who locks more than one.
   */
  static final String MARK_TAKEN =
      """
      WITH held AS MATERIALIZED (
        SELECT h.conversation_key
          FROM mailboxes h -- cross-tenant: a replica serves all tenants
         WHERE h.replica_id = :dead
         ORDER BY h.conversation_key FOR UPDATE
      )
      UPDATE mailboxes m -- cross-tenant: a replica serves all tenants
         SET replica_id = :taker, epoch = greatest(m.epoch, <floor>) + 1, changed_at = now()
        FROM held
       WHERE m.conversation_key = held.conversation_key AND m.replica_id = :dead
      RETURNING m.conversation_key, m.organization_id, m.agent_id, m.epoch, m.running,
                (SELECT c.id FROM conversations c WHERE c.key = m.conversation_key)
                  AS conversation_id
      """
          .replace("<floor>", EPOCH_FLOOR);

  static final String UNDER_WAY_AT =
      """
      SELECT r.*, c.id AS conversation_id
        FROM mailboxes m -- cross-tenant: a replica serves all tenants
        JOIN runs r ON r.conversation_key = m.conversation_key
         AND r.status IN ('running', 'waiting')
        JOIN conversations c ON c.key = m.conversation_key
       WHERE m.replica_id = :replica AND m.running LIMIT :most
      """;

  static final String ADOPT_RUNS =
      """
      UPDATE runs r SET epoch = i.epoch
        FROM unnest(:keys::bigint[], :epochs::bigint[]) AS i(conversation_key, epoch)
        JOIN conversations c ON c.key = i.conversation_key
       WHERE r.conversation_key = i.conversation_key AND r.status IN ('running', 'waiting')
         AND r.organization_id = c.organization_id
      RETURNING r.*, c.id AS conversation_id
      """;

  private LeaseSql() {}
}
