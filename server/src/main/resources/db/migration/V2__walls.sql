-- Limits. Requests and streams are counted by each replica; what is queued and stored, over all of them. NULL: none.
ALTER TABLE organizations
  ADD COLUMN max_requests_per_second integer CHECK (max_requests_per_second >= 1),
  ADD COLUMN max_streams             integer CHECK (max_streams >= 0),
  ADD COLUMN max_queued              integer CHECK (max_queued >= 0),
  ADD COLUMN max_stored_bytes        bigint CHECK (max_stored_bytes >= 0);

ALTER TABLE api_keys
  ADD COLUMN max_requests_per_second integer CHECK (max_requests_per_second >= 1),
  ADD COLUMN max_streams             integer CHECK (max_streams >= 0);

-- Who did what to keys, agents, caps and conversations. Written before it is done; a refusal follows as a row of its own.
CREATE TABLE audit_log (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  at              timestamptz NOT NULL DEFAULT now(),
  key_id          uuid NOT NULL,
  key_name        text NOT NULL,
  action          text NOT NULL,
  subject         text NOT NULL,                         -- of a thread: a digest of its id
  outcome         text NOT NULL CHECK (outcome IN ('asked', 'refused')),
  request_id      text NOT NULL
);
CREATE INDEX audit_log_newest ON audit_log (organization_id, id DESC);

CREATE FUNCTION audit_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_log_keeps_rows BEFORE UPDATE OR DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION audit_log_only_grows();
CREATE TRIGGER audit_log_keeps_all BEFORE TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows();

-- Row-level security, behind the code: a transaction sees the rows of the organization that it names, those of all when
-- it says '*', and none when it says nothing. FORCE, because the server may own the tables. Each part is computed once
-- per statement. A user that bypasses such policies works for tenants as the role turnkeeper_tenant (see Migrations).
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations USING (
  (SELECT current_setting('turnkeeper.organization', true)) = '*'
  OR id = (SELECT nullif(nullif(current_setting('turnkeeper.organization', true), ''), '*')::uuid));

DO $$
DECLARE
  wall text;
BEGIN
  FOREACH wall IN ARRAY ARRAY['api_keys', 'agents', 'agent_versions', 'conversations', 'mailboxes', 'runs',
                              'run_commands', 'run_events', 'snapshots', 'snapshot_chunks', 'audit_log']
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
