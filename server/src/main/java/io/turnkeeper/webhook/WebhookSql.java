package io.turnkeeper.webhook;

/** The statements on webhooks. */
final class WebhookSql {
  private WebhookSql() {}

  static final String DUE =
      """
      SELECT EXISTS (
        SELECT FROM webhook_deliveries w -- cross-tenant: any replica tells of any run
         WHERE w.state = 'due' AND w.next_at <= now())
      """;

  /**
   * A few of each organization's, so that one whose receivers are slow holds up no other. Whoever
   * dies on the way leaves it to be taken again.
   */
  static final String CLAIM =
      """
      WITH oldest AS MATERIALIZED (
        SELECT w.run_id, w.organization_id, w.next_at
          FROM webhook_deliveries w -- cross-tenant: any replica tells of any run
         WHERE w.state = 'due' AND w.next_at <= now()
         ORDER BY w.next_at LIMIT :look
      ), fair AS (
        SELECT o.run_id,
               row_number() OVER (PARTITION BY o.organization_id ORDER BY o.next_at) AS place
          FROM oldest o
      ), taken AS (
        SELECT d.run_id FROM webhook_deliveries d
         WHERE d.state = 'due' AND d.next_at <= now()
           AND d.run_id IN (SELECT f.run_id FROM fair f WHERE f.place <= :each)
         ORDER BY d.next_at LIMIT :limit FOR UPDATE SKIP LOCKED
      )
      UPDATE webhook_deliveries c
         SET attempts = c.attempts + 1, next_at = now() + :hold_ms * interval '1 millisecond'
        FROM taken t WHERE c.run_id = t.run_id
      RETURNING c.run_id, c.organization_id, c.url, c.attempts
      """;

  static final String RECORD =
      """
      UPDATE webhook_deliveries
         SET state = :state, answer = :answer,
             next_at = now() + :after_ms * interval '1 millisecond'
       WHERE organization_id = :organization AND run_id = :run AND attempts = :attempt
      """;

  static final String TOLD =
      """
      SELECT w.state, w.attempts, w.answer FROM webhook_deliveries w
       WHERE w.organization_id = :organization AND w.run_id = :run
      """;

  static final String MAKE_SECRET =
      """
      INSERT INTO webhook_secrets (organization_id, secret) VALUES (:organization, :secret)
      ON CONFLICT (organization_id) DO NOTHING
      """;

  static final String SET_SECRET =
      """
      INSERT INTO webhook_secrets (organization_id, secret) VALUES (:organization, :secret)
      ON CONFLICT (organization_id) DO UPDATE SET secret = excluded.secret, created_at = now()
      """;

  static final String SECRET =
      """
      SELECT s.secret FROM webhook_secrets s WHERE s.organization_id = :organization
      """;
}
