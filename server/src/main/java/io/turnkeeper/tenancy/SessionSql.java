package io.turnkeeper.tenancy;

final class SessionSql {
  private SessionSql() {}

  static final String OPEN =
      """
      INSERT INTO console_sessions (token_hash, organization_id, key_id)
      VALUES (:hash, :organization_id, :key_id)
      """;

  /** The key must still be valid, and neither the session nor its last use too old. */
  static final String FIND =
      """
      -- cross-tenant: the session is what says which organization the caller belongs to
      SELECT k.id AS key_id, k.role, k.name AS key_name, o.id AS organization_id,
             o.name AS organization_name,
             s.used_at < now() - interval '1 minute' AS stale
        FROM console_sessions s
        JOIN api_keys k ON k.id = s.key_id AND k.revoked_at IS NULL
        JOIN organizations o ON o.id = s.organization_id
       WHERE s.token_hash = :hash
         AND s.used_at > now() - :idle_ms * interval '1 millisecond'
         AND s.created_at > now() - :whole_ms * interval '1 millisecond'
      """;

  static final String USED =
      """
      UPDATE console_sessions SET used_at = now() -- cross-tenant: the hash is one session's
       WHERE token_hash = :hash
      """;

  static final String CLOSE =
      """
      DELETE FROM console_sessions -- cross-tenant: the hash is one session's
       WHERE token_hash = :hash
      """;

  static final String SWEEP =
      """
      DELETE FROM console_sessions -- cross-tenant: time passes for all
       WHERE token_hash IN (
         SELECT s.token_hash FROM console_sessions s
          WHERE s.used_at < now() - :idle_ms * interval '1 millisecond'
          ORDER BY s.used_at LIMIT 100)
      """;
}
