package io.turnkeeper.remote;

/** Every statement on workers from elsewhere. All read by key or by a partial index. */
final class RemoteSql {
  private RemoteSql() {}

  /** A worker keeps its row under its name, and with it the runs that it has. */
  static final String ARRIVE =
      """
      INSERT INTO workers AS w
             (id, organization_id, agent_id, key_id, name, connection, capacity, expires_at)
      VALUES (:id, :organization_id, :agent_id, :key_id, :name, :connection, :capacity,
              now() + :stays_ms * interval '1 millisecond')
      ON CONFLICT (organization_id, agent_id, name) DO UPDATE
         SET key_id = excluded.key_id, connection = excluded.connection,
             capacity = excluded.capacity, connected_at = now(), expires_at = excluded.expires_at
      RETURNING w.id
      """;

  /** Those among them that are still the newest of their name. */
  static final String STAY =
      """
      UPDATE workers w -- cross-tenant: a replica serves all tenants
         SET expires_at = now() + :stays_ms * interval '1 millisecond'
        FROM unnest(:ids::uuid[], :connections::uuid[]) AS i(id, connection), api_keys k
       WHERE w.id = i.id AND w.connection = i.connection
         AND k.id = w.key_id AND k.revoked_at IS NULL
      RETURNING w.connection
      """;

  /** Those that have a row, be it another connection's. */
  static final String PRESENT =
      """
      SELECT w.id FROM workers w -- cross-tenant: a replica serves all tenants
       WHERE w.id = ANY (:ids::uuid[])
      """;

  static final String LEAVE =
      """
      DELETE FROM workers
       WHERE organization_id = :organization_id AND id = :id AND connection = :connection
      """;

  static final String RENEW =
      """
      UPDATE workers
         SET expires_at = greatest(expires_at, now() + :stays_ms * interval '1 millisecond')
       WHERE organization_id = :organization_id AND id = :id
      """;

  static final String FORGET_WORKERS =
      """
      DELETE FROM workers -- cross-tenant: time passes for all
       WHERE expires_at < now() - interval '1 minute'
      """;

  static final String CONNECTED =
      """
      SELECT w.agent_id, count(*) AS workers, sum(w.capacity) AS capacity
        FROM workers w
       WHERE w.organization_id = :organization_id AND w.expires_at > now()
       GROUP BY w.agent_id
      """;

  /** Behind the lease: only its holder offers. An offer of an earlier attempt is replaced. */
  static final String OFFER =
      """
      INSERT INTO worker_turns AS t
             (run_id, organization_id, agent_id, conversation_key, epoch, attempt, deadline_at)
      SELECT :run, m.organization_id, m.agent_id, m.conversation_key, m.epoch, :attempt,
             now() + :stays_ms * interval '1 millisecond'
        FROM mailboxes m
        JOIN replicas p ON p.id = m.replica_id AND p.state IN ('live', 'draining')
       WHERE m.organization_id = :organization_id AND m.conversation_key = :key
         AND m.epoch = :epoch AND m.replica_id = :replica
      ON CONFLICT (run_id) DO UPDATE
         SET epoch = excluded.epoch, attempt = excluded.attempt, state = 'offered',
             worker_id = NULL, key_id = NULL, received = 0, cancel = NULL, answers = '[]',
             deadline_at = excluded.deadline_at
       WHERE t.epoch <= excluded.epoch AND t.organization_id = excluded.organization_id
      """;

  static final String FORGET_MESSAGES =
      """
      DELETE FROM worker_messages WHERE organization_id = :organization_id AND run_id = :run
      """;

  /** Which of these agents have a run on offer; each is one look at the top of an index. */
  static final String ON_OFFER =
      """
      SELECT i.agent_id
        FROM unnest(:agents::uuid[]) AS i(agent_id)
       WHERE EXISTS (
         SELECT FROM worker_turns o -- cross-tenant: a replica serves all tenants
          WHERE o.agent_id = i.agent_id AND o.state = 'offered')
      """;

  /**
   * Gives the worker what it has room for, the oldest first. Offers of a lease that is lost are
   * left: their run is on its way elsewhere.
   */
  static final String TAKE =
      """
      WITH me AS MATERIALIZED (
        SELECT w.id, w.organization_id, w.agent_id, w.key_id,
               w.capacity - (SELECT count(*) FROM worker_turns h
                              WHERE h.worker_id = w.id AND h.state = 'taken') AS room
          FROM workers w
         WHERE w.organization_id = :organization_id AND w.id = :id AND w.expires_at > now()
           FOR UPDATE
      ), line AS MATERIALIZED (
        SELECT o.run_id
          FROM worker_turns o
          JOIN mailboxes m ON m.conversation_key = o.conversation_key AND m.epoch = o.epoch
         WHERE o.agent_id = (SELECT agent_id FROM me)
           AND o.organization_id = (SELECT organization_id FROM me) AND o.state = 'offered'
         ORDER BY o.run_id
         LIMIT (SELECT greatest(0, least(room, :max)) FROM me)
           FOR UPDATE OF o SKIP LOCKED
      )
      UPDATE worker_turns t
         SET state = 'taken', worker_id = me.id, key_id = me.key_id,
             deadline_at = now() + :stays_ms * interval '1 millisecond'
        FROM line, me
       WHERE t.run_id = line.run_id AND t.state = 'offered'
      RETURNING t.run_id, t.epoch, t.attempt
      """;

  static final String LOCK_TURN =
      """
      SELECT t.epoch, t.attempt, t.state, t.worker_id, t.received, t.cancel,
             t.answers::text AS answers, k.revoked_at IS NOT NULL AS key_revoked
        FROM worker_turns t
        LEFT JOIN api_keys k ON k.id = t.key_id
       WHERE t.organization_id = :organization_id AND t.run_id = :run
         FOR UPDATE OF t
      """;

  static final String SAY =
      """
      INSERT INTO worker_messages (run_id, organization_id, seq, data)
      SELECT :run, :organization_id, m.seq, m.data::json
        FROM unnest(:seqs::int[], :data::text[]) AS m(seq, data)
      """;

  static final String RECEIVED =
      """
      UPDATE worker_turns
         SET received = :received, state = CASE WHEN :ended THEN 'ended' ELSE state END,
             deadline_at = now() + :stays_ms * interval '1 millisecond'
       WHERE organization_id = :organization_id AND run_id = :run AND state = 'taken'
      """;

  static final String BEAT =
      """
      UPDATE worker_turns
         SET deadline_at = now() + :stays_ms * interval '1 millisecond'
       WHERE organization_id = :organization_id AND run_id = :run AND state = 'taken'
      """;

  /** Of all the runs that this replica has at workers: one statement, whatever there is. */
  static final String STANDINGS =
      """
      SELECT t.run_id, t.epoch, t.attempt, t.state, coalesce(w.name, '') AS worker, t.received,
             t.deadline_at < now() AS silent
        FROM unnest(:runs::uuid[]) AS i(run_id)
        JOIN worker_turns t ON t.run_id = i.run_id -- cross-tenant: a replica serves all tenants
        LEFT JOIN workers w ON w.id = t.worker_id
      """;

  static final String MESSAGES =
      """
      SELECT m.seq, m.data
        FROM worker_messages m
       WHERE m.organization_id = :organization_id AND m.run_id = :run AND m.seq > :after
       ORDER BY m.seq LIMIT :limit
      """;

  /** Nothing more is accepted of it, and its token is worth nothing, from here on. */
  static final String CLOSE =
      """
      UPDATE worker_turns SET state = 'ended', deadline_at = now()
       WHERE organization_id = :organization_id AND run_id = :run AND epoch = :epoch
         AND attempt = :attempt AND state <> 'ended'
      """;

  /** Of an earlier lease: its worker has room again. */
  static final String ABANDON =
      """
      UPDATE worker_turns SET state = 'ended', deadline_at = now()
       WHERE organization_id = :organization_id AND run_id = :run AND epoch <= :epoch
         AND state <> 'ended'
      """;

  /**
   * As {@link #CLOSE}, if it is past its deadline. A worker that lost a run counts as gone until it
   * says something: its connection may be open for long after its machine is off.
   */
  static final String CLOSE_SILENT =
      """
      WITH closed AS (
        UPDATE worker_turns SET state = 'ended', deadline_at = now()
         WHERE organization_id = :organization_id AND run_id = :run AND epoch = :epoch
           AND attempt = :attempt AND state <> 'ended' AND deadline_at < now()
        RETURNING organization_id, worker_id
      ), gone AS (
        DELETE FROM workers w USING closed c
         WHERE w.organization_id = c.organization_id AND w.id = c.worker_id
      )
      SELECT count(*) FROM closed
      """;

  static final String CANCEL =
      """
      UPDATE worker_turns SET cancel = :reason
       WHERE organization_id = :organization_id AND run_id = :run AND epoch = :epoch
         AND attempt = :attempt AND state = 'taken'
      """;

  static final String ANSWER =
      """
      UPDATE worker_turns SET answers = answers || :answer::jsonb
       WHERE organization_id = :organization_id AND run_id = :run AND epoch = :epoch
         AND attempt = :attempt AND state = 'taken'
      """;

  /** Those that ended a while ago: until then a message that is sent again is known. */
  static final String FORGET_TURNS =
      """
      DELETE FROM worker_turns
       WHERE run_id IN (
         SELECT t.run_id FROM worker_turns t -- cross-tenant: time passes for all
          WHERE t.state = 'ended' AND t.deadline_at < now() - interval '1 hour'
          ORDER BY t.deadline_at LIMIT :max)
      """;

  static final String DELETE =
      """
      DELETE FROM worker_turns
       WHERE organization_id = :organization_id AND conversation_key = :key
      """;
}
