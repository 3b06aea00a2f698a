package io.turnkeeper.snapshot;

/** Every statement on snapshots. */
final class SnapshotSql {
  private SnapshotSql() {}

  /**
   * The lease, if it is good. Whoever takes over from this replica locks its row first, so the
   * lease stays good until this transaction ends.
   */
  static final String FENCE =
      """
      WITH fence AS MATERIALIZED (
        SELECT id FROM replicas
         WHERE id = :replica AND state IN ('live', 'draining') FOR KEY SHARE
      )
      SELECT EXISTS (
               SELECT FROM runs r
                WHERE r.id = :run AND r.organization_id = :organization
                  AND r.conversation_key = :key AND r.turn = :turn)
        FROM mailboxes m
        JOIN fence ON fence.id = m.replica_id
       WHERE m.organization_id = :organization AND m.conversation_key = :key
         AND m.epoch = :epoch AND m.state = 'leased'
      """;

  static final String PRESENT =
      """
      SELECT hash FROM snapshot_chunks
       WHERE organization_id = :organization AND conversation_key = :key
         AND hash = ANY (:hashes)
      """;

  static final String ADD_CHUNKS =
      """
      INSERT INTO snapshot_chunks (organization_id, conversation_key, hash, data)
      SELECT :organization, :key, c.hash, c.data
        FROM unnest(:hashes::bytea[], :datas::bytea[]) AS c(hash, data)
      ON CONFLICT (conversation_key, hash) DO NOTHING
      """;

  /** A run has one snapshot; only a later attempt replaces it, and only while it is not in use. */
  static final String ADD =
      """
      INSERT INTO snapshots AS s
             (run_id, organization_id, conversation_key, turn, epoch, session, manifest,
              files, bytes, added_bytes)
      VALUES (:run, :organization, :key, :turn, :epoch, :session::jsonb, :manifest,
              :files, :bytes, :added)
      ON CONFLICT (run_id) DO UPDATE
         SET epoch = excluded.epoch, session = excluded.session, manifest = excluded.manifest,
             files = excluded.files, bytes = excluded.bytes, added_bytes = excluded.added_bytes,
             created_at = now()
       WHERE s.epoch < excluded.epoch AND NOT s.completed
         AND s.conversation_key = excluded.conversation_key
      """;

  static final String COMPLETE =
      """
      UPDATE snapshots SET completed = true -- cross-tenant: runs that this transaction has ended
       WHERE run_id = ANY (:runs) AND NOT completed
      """;

  static final String NEWEST =
      """
      SELECT run_id, turn, session::text AS session, manifest, files, bytes
        FROM snapshots
       WHERE organization_id = :organization AND conversation_key = :key AND completed
       ORDER BY turn DESC LIMIT 1
      """;

  static final String LIST =
      """
      SELECT run_id, turn, completed, files, bytes, added_bytes, created_at
        FROM snapshots
       WHERE organization_id = :organization AND conversation_key = :key AND turn >= :turn
       ORDER BY turn DESC LIMIT :limit
      """;

  static final String NEWEST_SESSION =
      """
      SELECT run_id, turn, session::text AS session
        FROM snapshots
       WHERE organization_id = :organization AND conversation_key = :key AND completed
       ORDER BY turn DESC LIMIT 1
      """;

  static final String CHUNKS =
      """
      SELECT hash, data FROM snapshot_chunks
       WHERE organization_id = :organization AND conversation_key = :key
         AND hash = ANY (:hashes)
      """;

  static final String DELETE =
      """
      DELETE FROM snapshots WHERE organization_id = :organization AND conversation_key = :key
      """;

  static final String DELETE_CHUNKS =
      """
      DELETE FROM snapshot_chunks
       WHERE organization_id = :organization AND conversation_key = :key
      """;

  /** How many snapshots there are beyond those that are kept. */
  static final String SURPLUS =
      """
      SELECT count(*) FROM snapshots
       WHERE organization_id = :organization AND conversation_key = :key AND turn < :turn
      """;

  /** Older than the newest completed ones; the run's own, which is being written, stays. */
  static final String DELETE_OLD =
      """
      DELETE FROM snapshots s
       WHERE s.organization_id = :organization AND s.conversation_key = :key
         AND s.run_id <> :run
         AND s.run_id NOT IN (
           SELECT k.run_id FROM snapshots k
            WHERE k.organization_id = :organization AND k.conversation_key = :key AND k.completed
            ORDER BY k.turn DESC LIMIT :keep)
      """;

  static final String MANIFESTS =
      """
      SELECT manifest FROM snapshots
       WHERE organization_id = :organization AND conversation_key = :key
      """;

  static final String DELETE_UNUSED =
      """
      DELETE FROM snapshot_chunks c
       WHERE c.organization_id = :organization AND c.conversation_key = :key
         AND NOT EXISTS (
           SELECT FROM unnest(:hashes::bytea[]) AS used(hash) WHERE used.hash = c.hash)
      """;
}
