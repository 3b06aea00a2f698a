package io.turnkeeper.eventlog;

/** The statements on the log. */
final class EventSql {
  /**
   * Behind the replica's own row: a takeover comes either before or after the whole transaction.
   * Safe to repeat when the outcome of the first time is unknown: who holds the lease writes the
   * same event under the same number, and nobody else writes.
   */
  static final String APPEND =
      """
      WITH fence AS MATERIALIZED (
        SELECT id FROM replicas
         WHERE id = :replica AND state IN ('live', 'draining') FOR KEY SHARE
      )
      INSERT INTO run_events (run_id, seq, organization_id, kind, data)
      SELECT i.run_id, i.seq, m.organization_id, i.kind, i.data::json
        FROM unnest(:keys::bigint[], :epochs::bigint[], :runs::uuid[], :seqs::int[],
                    :kinds::text[], :data::text[])
             AS i(conversation_key, epoch, run_id, seq, kind, data)
        JOIN mailboxes m ON m.conversation_key = i.conversation_key AND m.epoch = i.epoch
        JOIN fence ON fence.id = m.replica_id
      ON CONFLICT (run_id, seq) DO NOTHING
      """;

  /**
   * A run that never started, or waits to start again: its mailbox row is locked by this
   * transaction.
   */
  static final String APPEND_UNSTARTED =
      """
      INSERT INTO run_events (run_id, seq, organization_id, kind, data)
      SELECT r.id,
             coalesce((SELECT max(e.seq) FROM run_events e WHERE e.run_id = r.id), 0) + 1,
             r.organization_id, :kind, :data::json
        FROM runs r WHERE r.id = :run AND r.organization_id = :organization
      """;

  static final String AFTER =
      """
      SELECT e.seq, e.kind, e.data, e.created_at FROM run_events e
       WHERE e.organization_id = :organization AND e.run_id = :run AND e.seq > :after
       ORDER BY e.seq LIMIT :limit
      """;

  static final String LAST_SEQ =
      """
      SELECT coalesce(max(e.seq), 0) FROM run_events e
       WHERE e.organization_id = :organization AND e.run_id = :run
      """;

  static final String WRITTEN =
      """
      SELECT coalesce(sum(s.n_tup_ins), 0)::bigint FROM pg_stat_user_tables s
       WHERE s.relname LIKE 'run\\_events\\_%'
      """;

  static final String DELETE_RUN =
      """
      DELETE FROM run_events WHERE organization_id = :organization AND run_id = :run
      """;

  static final String PARTITIONS =
      """
      SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'run_events'::regclass ORDER BY c.relname
      """;

  /** One replica at a time; the others need not wait. */
  static final String TRY_UPKEEP_LOCK =
      """
      SELECT pg_try_advisory_xact_lock(:class, 1)
      """;

  static final String HAS_LIVE_RUNS =
      """
      SELECT EXISTS (
        SELECT 1 FROM runs r -- cross-tenant: retention is the service's
         WHERE r.id >= :from AND r.id < :to AND r.status IN ('pending', 'running', 'waiting'))
      """;

  private EventSql() {}
}
