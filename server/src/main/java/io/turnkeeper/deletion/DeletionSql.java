package io.turnkeeper.deletion;

/** The statements that remove. Each takes a page at most, along an index. */
final class DeletionSql {
  private DeletionSql() {}

  /**
   * Its id is free for another from now on, and what a client wrote on it is gone. Whoever adds a
   * run to it meanwhile has locked the row, and is waited for.
   */
  static final String HIDE_CONVERSATION =
      """
      UPDATE conversations
         SET id = gen_random_uuid()::text, metadata = '{}', ephemeral = true
       WHERE organization_id = :organization AND key = :key
      """;

  static final String ASK =
      """
      INSERT INTO deletions (organization_id, conversation_key)
      VALUES (:organization, :key::bigint)
      ON CONFLICT DO NOTHING
      """;

  /** No name that an organization can have: nobody finds it by it. */
  static final String HIDE_ORGANIZATION =
      """
      UPDATE organizations
         SET name = '~' || id, paused_at = coalesce(paused_at, now()), paused_by = 'deletion'
       WHERE id = :organization
      """;

  static final String REVOKE_KEYS =
      """
      UPDATE api_keys SET revoked_at = now()
       WHERE organization_id = :organization AND revoked_at IS NULL
      """;

  static final String OPEN =
      """
      SELECT d.id, d.organization_id, d.conversation_key
        FROM deletions d -- cross-tenant: any replica goes on with any of them
       WHERE d.removed_at IS NULL AND d.id > :after
       ORDER BY d.id LIMIT :limit
      """;

  static final String NEWS =
      """
      SELECT EXISTS (
               SELECT FROM deletions o -- cross-tenant: any replica goes on with any of them
                WHERE o.removed_at IS NULL) AS open,
             last.removed_at, last.id
        FROM (SELECT 1) one
        LEFT JOIN (SELECT d.removed_at, d.id FROM deletions d WHERE d.removed_at IS NOT NULL
                    ORDER BY d.removed_at DESC, d.id DESC LIMIT 1) last ON true
      """;

  static final String FIND =
      """
      SELECT d.id, d.organization_id, d.conversation_key FROM deletions d
       WHERE d.organization_id = :organization
         AND d.conversation_key IS NOT DISTINCT FROM :key::bigint AND d.removed_at IS NULL
      """;

  /** One replica at a time takes steps of it. */
  static final String LOCK =
      """
      SELECT d.position, d.seq, d.asked_at < now() - :patience_ms * interval '1 millisecond' AS overdue,
             d.asked_at < now() - :forgotten_ms * interval '1 millisecond' AS forgotten
        FROM deletions d
       WHERE d.organization_id = :organization AND d.id = :id AND d.removed_at IS NULL
         FOR UPDATE SKIP LOCKED
      """;

  static final String ADVANCE =
      """
      UPDATE deletions SET position = :position, seq = :seq
       WHERE organization_id = :organization AND id = :id
      """;

  static final String DONE =
      """
      UPDATE deletions SET removed_at = clock_timestamp()
       WHERE organization_id = :organization AND id = :id
      """;

  static final String LIVE =
      """
      SELECT r.id, r.status = 'pending' AS pending, r.cancel_requested IS NOT NULL AS asked
        FROM runs r
       WHERE r.organization_id = :organization AND r.conversation_key = :key
         AND r.status IN ('pending', 'running', 'waiting')
       ORDER BY r.turn LIMIT :limit
      """;

  static final String HELD =
      """
      SELECT EXISTS (
        SELECT FROM mailboxes m
         WHERE m.organization_id = :organization AND m.conversation_key = :key
           AND m.state = 'leased')
      """;

  static final String RUNS =
      """
      SELECT r.id, r.turn FROM runs r
       WHERE r.organization_id = :organization AND r.conversation_key = :key
         AND r.turn > :position
       ORDER BY r.turn LIMIT :limit
      """;

  /** So many of each run: their numbers are dense. */
  static final String DELETE_EVENTS =
      """
      DELETE FROM run_events e
       WHERE e.organization_id = :organization AND e.run_id = ANY (:runs::uuid[])
         AND e.seq > :seq AND e.seq <= :upto
      """;

  static final String HAS_EVENTS =
      """
      SELECT EXISTS (
        SELECT FROM run_events e
         WHERE e.organization_id = :organization AND e.run_id = ANY (:runs::uuid[])
           AND e.seq > :upto)
      """;

  static final String DELETE_RUNS =
      """
      DELETE FROM runs
       WHERE organization_id = :organization AND id = ANY (:runs::uuid[])
      """;

  static final String DELETE_SNAPSHOTS =
      """
      DELETE FROM snapshots
       WHERE organization_id = :organization
         AND run_id IN (SELECT s.run_id FROM snapshots s
                         WHERE s.organization_id = :organization AND s.conversation_key = :key
                         ORDER BY s.turn LIMIT :limit)
      """;

  static final String DELETE_CHUNKS =
      """
      DELETE FROM snapshot_chunks
       WHERE organization_id = :organization AND conversation_key = :key
         AND hash IN (SELECT c.hash FROM snapshot_chunks c
                       WHERE c.organization_id = :organization AND c.conversation_key = :key
                       ORDER BY c.hash LIMIT :limit)
      """;

  /** Their messages go with them. */
  static final String DELETE_TURNS =
      """
      DELETE FROM worker_turns
       WHERE organization_id = :organization AND conversation_key = :key
      """;

  static final String DELETE_DELIVERIES =
      """
      DELETE FROM webhook_deliveries
       WHERE organization_id = :organization AND conversation_key = :key
      """;

  static final String DELETE_WEBHOOK_SECRET =
      """
      DELETE FROM webhook_secrets WHERE organization_id = :organization
      """;

  static final String DELETE_COMMANDS =
      """
      DELETE FROM run_commands WHERE organization_id = :organization AND conversation_key = :key
      """;

  /** Before the conversation, as whoever adds a run locks the two. */
  static final String LOCK_MAILBOX =
      """
      SELECT m.conversation_key FROM mailboxes m
       WHERE m.organization_id = :organization AND m.conversation_key = :key FOR UPDATE
      """;

  static final String LOCK_CONVERSATION =
      """
      SELECT c.key FROM conversations c
       WHERE c.organization_id = :organization AND c.key = :key FOR UPDATE
      """;

  static final String HAS_RUNS =
      """
      SELECT EXISTS (
        SELECT FROM runs r
         WHERE r.organization_id = :organization AND r.conversation_key = :key)
      """;

  static final String DELETE_MAILBOX =
      """
      DELETE FROM mailboxes WHERE organization_id = :organization AND conversation_key = :key
      """;

  static final String DELETE_CONVERSATION =
      """
      DELETE FROM conversations WHERE organization_id = :organization AND key = :key
      """;

  static final String FIRST_CONVERSATION =
      """
      SELECT c.key FROM conversations c
       WHERE c.organization_id = :organization ORDER BY c.key LIMIT 1
      """;

  /** The run that each conversation of an organization has under way. */
  static final String UNDER_WAY =
      """
      SELECT r.id
        FROM mailboxes m
        JOIN runs r ON r.conversation_key = m.conversation_key
         AND r.status IN ('running', 'waiting') AND r.cancel_requested IS NULL
       WHERE m.organization_id = :organization AND r.organization_id = :organization AND m.running
       LIMIT :limit
      """;

  static final String DELETE_SESSIONS =
      """
      DELETE FROM console_sessions
       WHERE organization_id = :organization
         AND token_hash IN (SELECT s.token_hash FROM console_sessions s
                             WHERE s.organization_id = :organization LIMIT :limit)
      """;

  static final String DELETE_WORKERS =
      """
      DELETE FROM workers
       WHERE organization_id = :organization
         AND id IN (SELECT w.id FROM workers w WHERE w.organization_id = :organization LIMIT :limit)
      """;

  static final String DELETE_KEYS =
      """
      DELETE FROM api_keys
       WHERE organization_id = :organization
         AND id IN (SELECT k.id FROM api_keys k
                     WHERE k.organization_id = :organization LIMIT :limit)
      """;

  static final String DELETE_VERSIONS =
      """
      DELETE FROM agent_versions
       WHERE organization_id = :organization
         AND (agent_id, version) IN (SELECT v.agent_id, v.version FROM agent_versions v
                                      WHERE v.organization_id = :organization LIMIT :limit)
      """;

  static final String DELETE_AGENTS =
      """
      DELETE FROM agents
       WHERE organization_id = :organization
         AND id IN (SELECT a.id FROM agents a WHERE a.organization_id = :organization LIMIT :limit)
      """;

  static final String DELETE_ORGANIZATION =
      """
      DELETE FROM organizations WHERE id = :organization
      """;

  /**
   * Some of a moment before the last one come again: commits are not in the order of their times.
   */
  static final String REMOVED =
      """
      SELECT d.id, d.organization_id, d.conversation_key, d.removed_at
        FROM deletions d -- cross-tenant: a disk holds files of all
       WHERE d.removed_at IS NOT NULL
         AND (d.removed_at, d.id) > (:since::timestamptz, :after::bigint)
       ORDER BY d.removed_at, d.id LIMIT :limit
      """;

  static final String FORGET =
      """
      DELETE FROM deletions -- cross-tenant: time passes for all
       WHERE id IN (SELECT d.id FROM deletions d
                     WHERE d.removed_at < now() - :after_ms * interval '1 millisecond'
                     ORDER BY d.removed_at, d.id LIMIT :limit)
      """;
}
