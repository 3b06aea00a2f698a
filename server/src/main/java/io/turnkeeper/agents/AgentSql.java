package io.turnkeeper.agents;

final class AgentSql {
  private AgentSql() {}

  static final String UPSERT =
      """
      INSERT INTO agents (id, organization_id, name, version, max_running, remote)
      VALUES (:id, :organization_id, :name, 1, :max_running, :remote)
      ON CONFLICT (organization_id, name) WHERE removed_at IS NULL DO UPDATE
         SET version = agents.version + 1, max_running = excluded.max_running,
             remote = excluded.remote, updated_at = now()
      RETURNING id, version
      """;

  static final String INSERT_VERSION =
      """
      INSERT INTO agent_versions (organization_id, agent_id, version, definition)
      VALUES (:organization_id, :agent_id, :version, :definition::jsonb)
      """;

  static final String FIND_BY_NAME =
      """
      SELECT a.id, a.organization_id, a.name, a.version, a.max_running, a.paused_at, a.paused_by,
             a.created_at, a.updated_at, a.removed_at IS NOT NULL AS removed, v.definition
        FROM agents a
        JOIN agent_versions v
          ON v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version
       WHERE a.organization_id = :organization_id AND a.name = :name AND a.removed_at IS NULL
      """;

  static final String FIND_BY_ID =
      """
      SELECT a.id, a.organization_id, a.name, a.version, a.max_running, a.paused_at, a.paused_by,
             a.created_at, a.updated_at, a.removed_at IS NOT NULL AS removed, v.definition
        FROM agents a
        JOIN agent_versions v
          ON v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version
       WHERE a.organization_id = :organization_id AND a.id = :id
      """;

  /** By name and by id: who means one by its id has its name in no other. */
  static final String FIND_ALL =
      """
      SELECT i.n, a.id, a.organization_id, a.name, a.version, a.max_running, a.paused_at,
             a.paused_by, a.created_at, a.updated_at, false AS removed, v.definition
        FROM (
          SELECT i.n, coalesce(named.id, meant.id) AS id, i.organization_id
            FROM unnest(:n::int[], :organizations::uuid[], :names::text[], :ids::uuid[])
                 AS i(n, organization_id, name, id)
            LEFT JOIN agents named ON named.organization_id = i.organization_id
             AND named.name = i.name AND named.removed_at IS NULL
            LEFT JOIN agents meant ON meant.organization_id = i.organization_id
             AND meant.id = i.id AND meant.removed_at IS NULL) i
        JOIN agents a ON a.organization_id = i.organization_id AND a.id = i.id
        JOIN agent_versions v
          ON v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version
      """;

  static final String LIST =
      """
      SELECT a.id, a.organization_id, a.name, a.version, a.max_running, a.paused_at, a.paused_by,
             a.created_at, a.updated_at, false AS removed, v.definition
        FROM agents a
        JOIN agent_versions v
          ON v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version
       WHERE a.organization_id = :organization_id AND a.removed_at IS NULL
       ORDER BY a.name
       LIMIT :limit
      """;

  static final String COUNT =
      """
      SELECT count(*) FROM agents WHERE organization_id = :organization_id AND removed_at IS NULL
      """;

  static final String VERSIONS =
      """
      SELECT version, definition, created_at
        FROM agent_versions
       WHERE organization_id = :organization_id AND agent_id = :agent_id
       ORDER BY version DESC
       LIMIT :limit
      """;

  static final String DEFINITION =
      """
      SELECT definition
        FROM agent_versions
       WHERE organization_id = :organization_id AND agent_id = :agent_id AND version = :version
      """;

  static final String VERSIONS_AFTER =
      """
      SELECT organization_id, agent_id, version, definition
        FROM agent_versions -- cross-tenant: a new key is for every tenant's secrets
       WHERE (agent_id, version) > (:agent_id, :version)
       ORDER BY agent_id, version
       LIMIT :limit
         FOR UPDATE
      """;

  static final String RESEAL =
      """
      UPDATE agent_versions SET definition = :definition::jsonb
       WHERE organization_id = :organization_id AND agent_id = :agent_id AND version = :version
      """;

  static final String REMOVE =
      """
      UPDATE agents
         SET removed_at = now(), updated_at = now()
       WHERE organization_id = :organization_id AND id = :id AND removed_at IS NULL
      """;

  static final String PAUSE =
      """
      UPDATE agents
         SET paused_at = coalesce(paused_at, now()), paused_by = coalesce(paused_by, :paused_by)
       WHERE organization_id = :organization_id AND id = :id AND removed_at IS NULL
      """;

  static final String RESUME =
      """
      UPDATE agents
         SET paused_at = NULL, paused_by = NULL
       WHERE organization_id = :organization_id AND id = :id AND removed_at IS NULL
      """;
}
