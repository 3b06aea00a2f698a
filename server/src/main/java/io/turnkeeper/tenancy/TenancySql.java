package io.turnkeeper.tenancy;

final class TenancySql {
  private TenancySql() {}

  static final String FIND_KEY =
      """
      -- cross-tenant: the key is what says which organization the caller belongs to
      SELECT k.secret_hash, k.role, k.agent_id, k.name AS key_name, k.organization_id,
             o.name AS organization_name,
             o.max_requests_per_second, o.max_streams, o.max_queued, o.max_stored_bytes,
             k.max_requests_per_second AS key_requests_per_second, k.max_streams AS key_streams
        FROM api_keys k
        JOIN organizations o ON o.id = k.organization_id
       WHERE k.id = :id AND k.revoked_at IS NULL
      """;

  static final String LOCK_BOOTSTRAP =
      """
      -- cross-tenant: replicas that start together must not each make a first organization
      SELECT pg_advisory_xact_lock(:lock)::text
      """;

  static final String INSERT_ORGANIZATION =
      """
      INSERT INTO organizations (id, name, max_running)
      VALUES (:id, :name, :max_running)
      ON CONFLICT (name) DO NOTHING
      RETURNING id, name, max_running, paused_at, paused_by, created_at,
             max_requests_per_second, max_streams, max_queued, max_stored_bytes
      """;

  static final String FIND_ORGANIZATION =
      """
      SELECT id, name, max_running, paused_at, paused_by, created_at,
             max_requests_per_second, max_streams, max_queued, max_stored_bytes
        FROM organizations
       WHERE name = :name
      """;

  static final String REQUESTS_MAX =
      """
      SELECT max_requests_per_second FROM organizations WHERE id = :organization_id
      """;

  static final String LIST_ORGANIZATIONS =
      """
      SELECT id, name, max_running, paused_at, paused_by, created_at,
             max_requests_per_second, max_streams, max_queued, max_stored_bytes
        FROM organizations
       ORDER BY created_at, id
       LIMIT :limit
      """;

  static final String PAUSE_ORGANIZATION =
      """
      UPDATE organizations
         SET paused_at = coalesce(paused_at, now()), paused_by = coalesce(paused_by, :paused_by)
       WHERE id = :organization_id
      RETURNING id, name, max_running, paused_at, paused_by, created_at,
             max_requests_per_second, max_streams, max_queued, max_stored_bytes
      """;

  static final String RESUME_ORGANIZATION =
      """
      UPDATE organizations
         SET paused_at = NULL, paused_by = NULL
       WHERE id = :organization_id
      RETURNING id, name, max_running, paused_at, paused_by, created_at,
             max_requests_per_second, max_streams, max_queued, max_stored_bytes
      """;

  static final String HAS_VALID_ADMIN_KEY =
      """
      SELECT EXISTS (
        SELECT 1 FROM api_keys
         WHERE organization_id = :organization_id AND role = 'admin' AND revoked_at IS NULL)
      """;

  static final String INSERT_KEY =
      """
      INSERT INTO api_keys (id, organization_id, name, role, agent_id, secret_hash)
      VALUES (:id, :organization_id, :name, :role, :agent_id::uuid, :secret_hash)
      RETURNING id, name, role, agent_id, created_at, revoked_at, max_requests_per_second,
             max_streams
      """;

  static final String LIST_KEYS =
      """
      SELECT id, name, role, agent_id, created_at, revoked_at, max_requests_per_second, max_streams
        FROM api_keys
       WHERE organization_id = :organization_id
       ORDER BY created_at, id
       LIMIT :limit
      """;

  static final String LOCK_ADMIN_KEYS =
      """
      -- Two revocations at once must not each leave the other as the last admin key.
      SELECT id FROM api_keys
       WHERE organization_id = :organization_id AND role = 'admin' AND revoked_at IS NULL
       ORDER BY id
         FOR UPDATE
      """;

  static final String REVOKE_KEY =
      """
      UPDATE api_keys
         SET revoked_at = coalesce(revoked_at, now())
       WHERE organization_id = :organization_id AND id = :id
      RETURNING id, name, role, agent_id, created_at, revoked_at, max_requests_per_second,
             max_streams
      """;

  /** Each limit only when it is named; null lifts it. */
  static final String LIMIT_ORGANIZATION =
      """
      UPDATE organizations
         SET max_running = CASE WHEN :sets_running THEN :running::int ELSE max_running END,
             max_requests_per_second = CASE WHEN :sets_requests THEN :requests::int
                                            ELSE max_requests_per_second END,
             max_streams = CASE WHEN :sets_streams THEN :streams::int ELSE max_streams END,
             max_queued = CASE WHEN :sets_queued THEN :queued::int ELSE max_queued END,
             max_stored_bytes = CASE WHEN :sets_stored THEN :stored::bigint
                                     ELSE max_stored_bytes END
       WHERE id = :organization_id
      RETURNING id, name, max_running, paused_at, paused_by, created_at,
             max_requests_per_second, max_streams, max_queued, max_stored_bytes
      """;

  static final String LIMIT_KEY =
      """
      UPDATE api_keys
         SET max_requests_per_second = CASE WHEN :sets_requests THEN :requests::int
                                            ELSE max_requests_per_second END,
             max_streams = CASE WHEN :sets_streams THEN :streams::int ELSE max_streams END
       WHERE organization_id = :organization_id AND id = :id
      RETURNING id, name, role, agent_id, created_at, revoked_at, max_requests_per_second,
             max_streams
      """;

  static final String INSERT_AUDIT =
      """
      INSERT INTO audit_log
             (organization_id, key_id, key_name, action, subject, outcome, request_id)
      VALUES (:organization_id, :key_id, :key_name, :action, :subject, :outcome, :request_id)
      """;

  /** Down audit_log_newest, from the place where the page before ended. */
  static final String AUDIT =
      """
      SELECT id, at, key_id, key_name, action, subject, outcome, request_id
        FROM audit_log
       WHERE organization_id = :organization_id
         AND (:before::bigint IS NULL OR id < :before::bigint)
         AND (:subject::text IS NULL OR subject = :subject)
       ORDER BY id DESC LIMIT :limit
      """;
}
