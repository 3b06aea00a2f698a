package io.turnkeeper.queue;

/** Accepting runs: one statement for a whole batch. */
final class EnqueueSql {
  static final String KEYS_USED =
      """
      SELECT r.organization_id, r.idempotency_key, r.id, r.fingerprint
        FROM unnest(:organizations::uuid[], :keys::text[]) AS i(organization_id, idempotency_key)
        JOIN runs r ON r.organization_id = i.organization_id
                   AND r.idempotency_key = i.idempotency_key
      """;

  /** Held to the end of the transaction, so that "idle" stays true until the run is in. */
  static final String LOCK_BOXES =
      """
      SELECT m.conversation_key, m.pending > 0 OR m.running AS busy
        FROM mailboxes m -- cross-tenant: keys were resolved within their organizations
       WHERE m.conversation_key = ANY (:keys::bigint[])
       ORDER BY m.conversation_key
         FOR UPDATE
      """;

  /**
   * Mailboxes are locked in key order, so batches cannot deadlock. A mailbox that is not idle keeps
   * its place: order of acceptance is the order of turns, and only the head decides when the
   * mailbox is ready.
   */
  static final String ENQUEUE =
      """
      WITH input AS MATERIALIZED (
        SELECT i.*,
               row_number() OVER (PARTITION BY i.conversation_key ORDER BY i.n) AS place,
               count(*) OVER (PARTITION BY i.conversation_key) AS places,
               now() + i.delay_ms * interval '1 millisecond' AS run_at
          FROM unnest(:n::int[], :ids::uuid[], :organizations::uuid[], :agents::uuid[],
                      :keys::bigint[], :inputs::text[], :options::text[], :metadata::text[],
                      :priorities::smallint[], :delays::bigint[], :expiries::bigint[],
                      :attempts::int[], :idempotency::text[], :fingerprints::text[],
                      :tags::bigint[])
               AS i(n, id, organization_id, agent_id, conversation_key, action_input, options,
                    metadata, priority, delay_ms, expiry_ms, max_attempts, idempotency_key,
                    fingerprint, tag)
      ), box AS (
        INSERT INTO mailboxes AS m
               (conversation_key, organization_id, agent_id, state, priority, pending, next_turn,
                tag, ready_at)
        SELECT i.conversation_key, i.organization_id, i.agent_id,
               CASE WHEN i.run_at > now() THEN 'delayed' ELSE 'ready' END,
               i.priority, i.places, i.places + 1, i.tag, i.run_at
          FROM input i WHERE i.place = 1
         ORDER BY i.conversation_key
        ON CONFLICT (conversation_key) DO UPDATE
           SET pending   = m.pending + excluded.pending,
               next_turn = m.next_turn + excluded.pending,
               state = CASE WHEN m.state <> 'idle' THEN m.state
                            WHEN m.paused_by IS NOT NULL THEN 'paused'
                            ELSE excluded.state END,
               priority = CASE WHEN m.state = 'idle' THEN excluded.priority ELSE m.priority END,
               tag      = CASE WHEN m.state = 'idle' THEN excluded.tag ELSE m.tag END,
               ready_at = CASE WHEN m.state = 'idle' THEN excluded.ready_at ELSE m.ready_at END,
               changed_at = CASE WHEN m.state = 'idle' THEN now() ELSE m.changed_at END
        RETURNING m.conversation_key, m.next_turn, m.state, m.replica_id
      ), accepted AS (
        INSERT INTO runs
               (id, organization_id, agent_id, conversation_key, turn, priority, max_attempts,
                run_at, expires_at, idempotency_key, fingerprint, action_input, options, metadata)
        SELECT i.id, i.organization_id, i.agent_id, i.conversation_key,
               b.next_turn - i.places + i.place - 1, i.priority, i.max_attempts, i.run_at,
               now() + i.expiry_ms * interval '1 millisecond', i.idempotency_key,
               decode(i.fingerprint, 'hex'),
               i.action_input::jsonb, i.options::jsonb, i.metadata::jsonb
          FROM input i JOIN box b USING (conversation_key)
        RETURNING id, conversation_key, turn
      )
      SELECT i.n, a.id, a.turn, b.state = 'ready' AS ready, b.replica_id
        FROM accepted a JOIN input i USING (id)
        JOIN box b ON b.conversation_key = a.conversation_key
      """;

  private EnqueueSql() {}
}
