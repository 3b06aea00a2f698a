-- Who is to be told of a run's end. A row is made in the transaction that ends the run, whatever ends it.
CREATE TABLE webhook_deliveries (
  run_id           uuid PRIMARY KEY,
  organization_id  uuid NOT NULL,
  conversation_key bigint NOT NULL,
  url              text NOT NULL,
  state            text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'failed')),
  attempts         integer NOT NULL DEFAULT 0,
  next_at          timestamptz NOT NULL DEFAULT now(),
  answer           text,                                 -- what came of the last attempt
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key)
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 'due';
CREATE INDEX webhook_deliveries_conversation ON webhook_deliveries (conversation_key);

-- What an organization's deliveries are signed with.
CREATE TABLE webhook_secrets (
  organization_id uuid PRIMARY KEY REFERENCES organizations (id),
  secret          bytea NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);

DO $$
DECLARE
  wall text;
BEGIN
  FOREACH wall IN ARRAY ARRAY['webhook_deliveries', 'webhook_secrets']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', wall);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', wall);
    EXECUTE format($policy$
      CREATE POLICY tenant ON %I USING (
        (SELECT current_setting('turnkeeper.organization', true)) = '*'
        OR organization_id
           = (SELECT nullif(nullif(current_setting('turnkeeper.organization', true), ''), '*')::uuid))
      $policy$, wall);
  END LOOP;
END $$;

CREATE FUNCTION runs_tell_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO webhook_deliveries (run_id, organization_id, conversation_key, url)
  VALUES (NEW.id, NEW.organization_id, NEW.conversation_key, NEW.options ->> 'webhook')
  ON CONFLICT (run_id) DO NOTHING;
  RETURN NULL;
END $$;

CREATE TRIGGER runs_told AFTER UPDATE OF status ON runs FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL AND NEW.options ->> 'webhook' IS NOT NULL)
  EXECUTE FUNCTION runs_tell_webhook();
