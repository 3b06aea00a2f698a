package io.turnkeeper.tokens;

final class TokenSql {
  private TokenSql() {}

  /** Those that may still verify, the one that signs first. There are a handful. */
  static final String KEYS =
      """
      SELECT id, secret, extract(epoch FROM now() - created_at)::bigint AS age_seconds
        FROM token_keys
       WHERE expires_at > now()
       ORDER BY created_at DESC, id DESC
       LIMIT 100
      """;

  static final String LOCK_ROTATION =
      """
      SELECT pg_advisory_xact_lock(:lock)::text
      """;

  static final String ADD =
      """
      INSERT INTO token_keys (id, secret, expires_at)
      VALUES (:id, :secret, now() + :lives_ms * interval '1 millisecond')
      """;

  static final String FORGET =
      """
      DELETE FROM token_keys WHERE expires_at < now()
      """;
}
