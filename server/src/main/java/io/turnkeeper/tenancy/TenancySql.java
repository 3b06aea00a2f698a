package io.turnkeeper.tenancy;

final class TenancySql {
  private TenancySql() {}

  static final String FIND_KEY =
      """
      -- cross-tenant: the key is what says which organization the caller belongs to
      SELECT k.secret_hash, k.role, k.agent_id, k.name AS key_name, k.organization_id,
             o.name AS organization_name
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
      RETURNING id, name, max_running, paused_at, paused_by, created_at
      """;

  static final String FIND_ORGANIZATION =
      """
      SELECT id, name, max_running, paused_at, paused_by, created_at
        FROM organizations
       WHERE name = :name
      """;

  static final String LIST_ORGANIZATIONS =
      """
      SELECT id, name, max_running, paused_at, paused_by, created_at
        FROM organizations
       ORDER BY created_at, id
       LIMIT :limit
      """;

  static final String PAUSE_ORGANIZATION =
      """
      UPDATE organizations
         SET paused_at = coalesce(paused_at, now()), paused_by = coalesce(paused_by, :paused_by)
       WHERE id = :organization_id
      RETURNING id, name, max_running, paused_at, paused_by, created_at
      """;

  static final String RESUME_ORGANIZATION =
      """
      UPDATE organizations
         SET paused_at = NULL, paused_by = NULL
       WHERE id = :organization_id
      RETURNING id, name, max_running, paused_at, paused_by, created_at
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
      RETURNING id, name, role, agent_id, created_at, revoked_at
      """;

  static final String LIST_KEYS =
      """
      SELECT id, name, role, agent_id, created_at, revoked_at
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
      RETURNING id, name, role, agent_id, created_at, revoked_at
      """;
}
