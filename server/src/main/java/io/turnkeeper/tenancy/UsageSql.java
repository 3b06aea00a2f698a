package io.turnkeeper.tenancy;

/** What an organization uses, for those with a limit on it. */
final class UsageSql {
  private UsageSql() {}

  /** Reads the partial indexes of what waits: idle conversations cost nothing. */
  static final String QUEUED =
      """
      SELECT coalesce(sum(w.pending), 0)
        FROM (
          SELECT m.pending FROM mailboxes m
           WHERE m.organization_id = :organization AND m.state = 'ready'
          UNION ALL
          SELECT m.pending FROM mailboxes m
           WHERE m.organization_id = :organization AND m.state = 'delayed'
          UNION ALL
          SELECT m.pending FROM mailboxes m
           WHERE m.organization_id = :organization AND m.state IN ('capped', 'paused')
             AND m.paused_by IS NULL
          UNION ALL
          SELECT m.pending FROM mailboxes m
           WHERE m.organization_id = :organization AND m.state = 'paused'
             AND m.paused_by IS NOT NULL
          UNION ALL
          SELECT m.pending FROM mailboxes m
           WHERE m.organization_id = :organization AND m.replica_id IS NOT NULL) w
      """;

  /** As stored, compressed where the server compresses. */
  static final String STORED =
      """
      SELECT coalesce((SELECT sum(octet_length(k.data))
                         FROM conversations c
                         JOIN snapshot_chunks k ON k.conversation_key = c.key
                        WHERE c.organization_id = :organization), 0)
           + coalesce((SELECT sum(pg_column_size(r.action_input)
                                  + coalesce(pg_column_size(r.output), 0))
                         FROM runs r WHERE r.organization_id = :organization), 0)
           + coalesce((SELECT sum(pg_column_size(e.data))
                         FROM runs r JOIN run_events e ON e.run_id = r.id
                        WHERE r.organization_id = :organization), 0)
      """;
}
