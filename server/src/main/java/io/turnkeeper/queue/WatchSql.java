package io.turnkeeper.queue;

/**
 * What people who look on read. Each statement reads along an index and looks at so many rows at
 * most, whatever is asked.
 */
final class WatchSql {
  private static final String ROW =
      """
      SELECT r.id, r.turn, r.status, r.attempt, r.agent_id, r.created_at, r.run_at, r.expires_at,
             r.started_at, r.finished_at, r.error ->> 'code' AS error_code,
             left(r.error ->> 'message', 300) AS error_message, c.id AS conversation_id,
             left(CASE jsonb_typeof(r.action_input -> 'messages' -> -1 -> 'content')
                    WHEN 'string' THEN r.action_input -> 'messages' -> -1 ->> 'content'
                    ELSE coalesce(r.action_input #>> '{messages,-1,content,0,text}',
                                  r.action_input #>> '{messages,-1}')
                  END, 160) AS asked
      """;

  private static final String WANTED =
      """
       WHERE (:status::text IS NULL OR r.status = ANY (string_to_array(:status::text, ',')))
         AND (:agent::uuid IS NULL OR r.agent_id = :agent::uuid)
         AND (:error::text IS NULL OR r.error ->> 'code' = :error::text)
       ORDER BY r.id DESC LIMIT :limit
      """;

  private static final String FROM_ANY =
      """
        FROM (SELECT n.* FROM runs n
               WHERE n.organization_id = :organization
                 AND n.id < :before::uuid AND n.id >= :from::uuid
               ORDER BY n.id DESC LIMIT :look) r
        JOIN conversations c ON c.key = r.conversation_key
      """
          + WANTED;

  private static final String FROM_FAILED =
      """
        FROM (SELECT n.* FROM runs n
               WHERE n.organization_id = :organization AND n.status IN ('failed', 'timeout')
                 AND n.id < :before::uuid AND n.id >= :from::uuid
               ORDER BY n.id DESC LIMIT :look) r
        JOIN conversations c ON c.key = r.conversation_key
      """
          + WANTED;

  /** As many as the replicas have slots, at most. */
  private static final String FROM_RUNNING =
      """
        FROM (SELECT n.* FROM mailboxes m JOIN runs n ON n.conversation_key = m.conversation_key
               WHERE m.running AND m.organization_id = :organization
                 AND n.status IN ('running', 'waiting')
                 AND n.id < :before::uuid AND n.id >= :from::uuid
               LIMIT :look) r
        JOIN conversations c ON c.key = r.conversation_key
      """
          + WANTED;

  static final String ANY = ROW + FROM_ANY;
  static final String FAILED = ROW + FROM_FAILED;
  static final String RUNNING = ROW + FROM_RUNNING;
  static final String COUNT_ANY = "SELECT count(*) FROM (SELECT 1 " + FROM_ANY + ") n";
  static final String COUNT_FAILED = "SELECT count(*) FROM (SELECT 1 " + FROM_FAILED + ") n";
  static final String COUNT_RUNNING = "SELECT count(*) FROM (SELECT 1 " + FROM_RUNNING + ") n";

  /** How far {@link #ANY} has looked, when it has found less than a page. */
  static final String LOOKED_TO =
      """
      SELECT n.id FROM runs n
       WHERE n.organization_id = :organization
         AND n.id < :before::uuid AND n.id >= :from::uuid
       ORDER BY n.id DESC LIMIT 1 OFFSET :look - 1
      """;

  static final String ERRORS =
      """
      SELECT r.code, count(*) AS count, count(DISTINCT r.agent_id) AS agents,
             (array_agg(r.message ORDER BY r.id DESC))[1] AS sample,
             max(r.finished_at) AS newest, (array_agg(r.id ORDER BY r.id DESC))[1] AS newest_run
        FROM (SELECT n.id, n.agent_id, n.finished_at,
                     coalesce(n.error ->> 'code', n.status) AS code,
                     left(n.error ->> 'message', 300) AS message
                FROM runs n
               WHERE n.organization_id = :organization AND n.status IN ('failed', 'timeout')
                 AND n.id >= :from::uuid
                 AND (:agent::uuid IS NULL OR n.agent_id = :agent::uuid)
               ORDER BY n.id DESC LIMIT :look) r
       GROUP BY r.code ORDER BY count(*) DESC, r.code LIMIT 20
      """;

  /** By minute, and by minute and agent. Reads what ended in the span and nothing else. */
  static final String ENDED =
      """
      SELECT r.minute, r.organization_id, r.agent_id, count(*) AS ended,
             count(*) FILTER (WHERE r.status IN ('failed', 'timeout')) AS failed,
             percentile_disc(0.5) WITHIN GROUP (ORDER BY r.wait_ms) AS wait_p50,
             percentile_disc(0.99) WITHIN GROUP (ORDER BY r.wait_ms) AS wait_p99,
             coalesce(avg(r.run_ms), 0) AS mean_ms, coalesce(max(r.run_ms), 0) AS max_ms
        FROM (SELECT date_trunc('minute', n.finished_at) AS minute, n.organization_id, n.agent_id,
                     n.status,
                     greatest(0, extract(epoch FROM n.started_at
                                           - greatest(n.created_at, n.run_at)) * 1000)
                       ::double precision AS wait_ms,
                     (extract(epoch FROM n.finished_at - n.started_at) * 1000)::double precision
                       AS run_ms
                FROM organizations o -- cross-tenant: all of them for the operator, else one
               CROSS JOIN LATERAL (
                  SELECT e.* FROM runs e
                   WHERE e.organization_id = o.id AND e.finished_at IS NOT NULL
                     AND e.finished_at >= :from::timestamptz AND e.finished_at < :to::timestamptz
                   OFFSET 0) n
               WHERE :organization::uuid IS NULL OR o.id = :organization::uuid) r
       GROUP BY GROUPING SETS ((r.minute), (r.minute, r.organization_id, r.agent_id))
      """;

  /** How many came in each span of ids. */
  static final String ACCEPTED =
      """
      SELECT s.place, (SELECT count(*)
                         FROM organizations o -- cross-tenant: all of them for the operator, else one
                        CROSS JOIN LATERAL (
                           SELECT 1 FROM runs n
                            WHERE n.organization_id = o.id AND n.id >= s.low AND n.id < s.high
                            OFFSET 0) r
                        WHERE :organization::uuid IS NULL OR o.id = :organization::uuid) AS accepted
        FROM unnest(:lows::uuid[], :highs::uuid[]) WITH ORDINALITY AS s(low, high, place)
      """;

  /** An agent's newest runs, or those of all agents. */
  static final String RECORDS =
      """
      SELECT r.agent_id, count(*) AS ended,
             count(*) FILTER (WHERE r.status = 'completed') AS completed,
             count(*) FILTER (WHERE r.status IN ('failed', 'timeout')) AS failed,
             coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY r.run_ms), 0) AS p50_ms,
             coalesce(percentile_disc(0.95) WITHIN GROUP (ORDER BY r.run_ms), 0) AS p95_ms,
             coalesce(max(r.run_ms), 0) AS max_ms
        FROM (SELECT n.agent_id, n.status,
                     (extract(epoch FROM n.finished_at - n.started_at) * 1000)::double precision
                       AS run_ms
                FROM runs n
               WHERE n.organization_id = :organization AND n.finished_at IS NOT NULL
                 AND n.finished_at >= :from::timestamptz
                 AND (:agent::uuid IS NULL OR n.agent_id = :agent::uuid)
               ORDER BY n.finished_at DESC LIMIT :look) r
       GROUP BY r.agent_id
      """;

  static final String LEASE =
      """
      SELECT m.state, m.running, m.pending, m.replica_id, m.epoch, m.changed_at, m.paused_by
        FROM mailboxes m
       WHERE m.organization_id = :organization AND m.conversation_key = :key
      """;

  /**
   * As {@link ReadSql#DEPTH}, of one tenant; what is more than a page of thousands is not counted.
   */
  static final String DEPTH_OF =
      """
      WITH busy AS (
        (SELECT 'ready' AS state, m.pending, false AS running, m.changed_at AS since
           FROM mailboxes m
          WHERE m.state = 'ready' AND m.organization_id = :organization LIMIT :look)
        UNION ALL
        (SELECT 'delayed', m.pending, false, NULL FROM mailboxes m
          WHERE m.state = 'delayed' AND m.organization_id = :organization LIMIT :look)
        UNION ALL
        (SELECT m.state, m.pending, false, NULL FROM mailboxes m
          WHERE m.state IN ('capped', 'paused') AND m.paused_by IS NULL
            AND m.organization_id = :organization LIMIT :look)
        UNION ALL
        (SELECT 'paused', m.pending, false, NULL FROM mailboxes m
          WHERE m.paused_by IS NOT NULL AND m.state = 'paused'
            AND m.organization_id = :organization LIMIT :look)
        UNION ALL
        (SELECT 'leased', m.pending, m.running, NULL FROM mailboxes m
          WHERE m.replica_id IS NOT NULL AND m.organization_id = :organization LIMIT :look)
      )
      SELECT count(*) FILTER (WHERE b.state = 'ready') AS ready,
             count(*) FILTER (WHERE b.state = 'delayed') AS delayed,
             count(*) FILTER (WHERE b.state = 'capped') AS capped,
             count(*) FILTER (WHERE b.state = 'paused') AS paused,
             count(*) FILTER (WHERE b.state = 'leased') AS leased,
             count(*) FILTER (WHERE b.running) AS running, coalesce(sum(b.pending), 0) AS pending,
             coalesce(extract(epoch FROM now() - min(b.since)), 0)::double precision
               AS oldest_ready_seconds
        FROM busy b
      """;

  private WatchSql() {}
}
