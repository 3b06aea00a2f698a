-- The web console: its sessions, and what its pages read by.

-- A browser that has signed in with a key. The cookie's text is kept nowhere, only its hash.
CREATE TABLE console_sessions (
  token_hash      bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  key_id          uuid NOT NULL REFERENCES api_keys (id),
  created_at      timestamptz NOT NULL DEFAULT now(),
  used_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX console_sessions_used ON console_sessions (used_at);

ALTER TABLE console_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE console_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON console_sessions USING (
  (SELECT current_setting('turnkeeper.organization', true)) = '*'
  OR organization_id
     = (SELECT nullif(nullif(current_setting('turnkeeper.organization', true), ''), '*')::uuid));

-- What an hour held: one entry a run, made when it ends.
CREATE INDEX runs_finished ON runs (organization_id, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_failed   ON runs (organization_id, id DESC) WHERE status IN ('failed', 'timeout');
