package io.turnkeeper.cluster;

/** The statements on replicas. Their number does not grow with conversations. */
final class ClusterSql {
  /**
   * On the session connection: whoever can see the row can see its lock too, so that a replica that
   * is slow to join is not taken for one that has gone.
   */
  static final String JOIN =
      """
      WITH joined AS (
        INSERT INTO replicas (host, pid, address, version, max_leases, wanted_leases)
        VALUES (?, ?, ?, ?, ?, ?)
        RETURNING id, started_at
      )
      SELECT id, started_at, pg_try_advisory_lock(?, id) AS locked FROM joined
      """;

  static final String LOCK_AGAIN =
      """
      SELECT p.id, p.started_at, pg_try_advisory_lock(?, p.id) AS locked
        FROM replicas p WHERE p.id = ?
      """;

  /**
   * A row is known by its id and when it was made: after a failover that has lost rows their ids
   * may be given out again.
   */
  private static final String SEEN =
      """
      SELECT p.id, p.id = :me AND p.started_at = :joined_at AS me, p.wanted_leases,
             pg_postmaster_start_time() AS server_started_at,
             extract(epoch FROM clock_timestamp() - p.heartbeat_at) * 1000 AS heartbeat_age_ms,
             EXISTS (SELECT 1 FROM pg_locks l
                      WHERE l.locktype = 'advisory' AND l.classid = :class AND l.objid = p.id::oid
                        AND l.objsubid = 2 AND l.granted
                        AND l.database = (SELECT d.oid FROM pg_database d
                                           WHERE d.datname = current_database())) AS locked
        FROM replicas p
      """;

  /**
   * Heartbeat and watch in one: the database's clock says how old the others' heartbeats are, and
   * its lock table who holds a session.
   */
  static final String BEAT =
      """
      WITH beat AS (
        UPDATE replicas SET heartbeat_at = clock_timestamp(), max_leases = :max_leases
         WHERE id = :me AND started_at = :joined_at AND state IN ('live', 'draining')
        RETURNING id
      )
      """
          + SEEN
          + """
           WHERE p.state IN ('live', 'draining') AND (p.id <> :me OR p.id IN (SELECT id FROM beat))
          """;

  /** Between heartbeats: writes nothing, so it costs no fsync. */
  static final String WATCH = SEEN + " WHERE p.state IN ('live', 'draining')";

  /**
   * A replica that is paused in the middle of a transaction keeps its locks until the database ends
   * that session. Whoever takes over comes again rather than stand in line.
   */
  static final String LIMIT_WAIT =
      """
      SELECT set_config('lock_timeout', :timeout, true)
      """;

  /**
   * A takeover is the work of a living replica: what it writes passes the fence, and nobody buries
   * it meanwhile. A share, so that its own writers go on.
   */
  static final String HOLD_TAKER =
      """
      SELECT p.id FROM replicas p
       WHERE p.id = :taker AND p.state IN ('live', 'draining') FOR KEY SHARE
      """;

  /** Waits for the writes that the replica has under way; none can begin behind it. */
  static final String LOCK_REPLICA =
      """
      SELECT p.id FROM replicas p
       WHERE p.id = :dead AND p.state IN ('live', 'draining') FOR UPDATE
      """;

  /**
   * @param silent its heartbeat is older than the TTL
   * @param unlocked its lock is not there, and the taker's is
   */
  record Gone(boolean silent, boolean unlocked) {}

  /** What was seen before the lock is looked at again: a replica that came back is left alone. */
  static final String STILL_GONE =
      """
      WITH locked AS MATERIALIZED (
        SELECT l.objid FROM pg_locks l
         WHERE l.locktype = 'advisory' AND l.classid = :class AND l.objsubid = 2 AND l.granted
           AND l.database = (SELECT d.oid FROM pg_database d
                              WHERE d.datname = current_database())
      )
      SELECT clock_timestamp() - p.heartbeat_at > :ttl_ms * interval '1 millisecond' AS silent,
             :dead::oid NOT IN (SELECT objid FROM locked)
               AND :taker::oid IN (SELECT objid FROM locked) AS unlocked
        FROM replicas p WHERE p.id = :dead
      """;

  static final String END =
      """
      UPDATE replicas SET state = :state, ended_at = now()
       WHERE id = :id AND state IN ('live', 'draining')
      """;

  /** Only one who holds nothing may go: what is held would have nobody who takes it over. */
  static final String LEAVE =
      """
      UPDATE replicas SET state = 'stopped', ended_at = now()
       WHERE id = :id AND state IN ('live', 'draining')
         AND NOT EXISTS (SELECT 1 FROM mailboxes m -- cross-tenant: a replica serves all tenants
                          WHERE m.replica_id = :id)
      """;

  static final String DRAINING =
      """
      UPDATE replicas SET state = 'draining' WHERE id = :id AND state = 'live'
      """;

  /** Its own program reads it with its next look, wherever this was written. */
  static final String WANT =
      """
      UPDATE replicas SET wanted_leases = :leases
       WHERE id = :id AND state IN ('live', 'draining')
      """;

  static final String LIST =
      """
      SELECT p.id, p.state, p.host, p.pid, p.address, p.version, p.max_leases,
             p.wanted_leases, p.started_at, p.ended_at,
             extract(epoch FROM coalesce(p.ended_at, clock_timestamp()) - p.heartbeat_at) * 1000
               AS heartbeat_age_ms,
             (SELECT count(*) FROM mailboxes m -- cross-tenant: a replica serves all tenants
               WHERE m.replica_id = p.id) AS leases
        FROM replicas p
       WHERE p.state IN ('live', 'draining')
          OR p.ended_at > now() - interval '1 hour'
       ORDER BY p.id DESC LIMIT 100
      """;

  static final String GREET =
      """
      SELECT pg_notify(?, ?)
      """;

  /**
   * Waits for no disk: who misses a notification that a crash has eaten looks again by itself soon.
   */
  static final String NOTIFY =
      """
      SELECT count(pg_notify(:channel, i.payload)), set_config('synchronous_commit', 'off', true)
        FROM unnest(:payloads::text[]) AS i(payload)
      """;

  private ClusterSql() {}
}
