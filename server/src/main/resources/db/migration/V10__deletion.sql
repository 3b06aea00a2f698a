-- Conversations and organizations that are being removed, a page at a time; and, for a month, those that were: by these each
-- replica frees its disk. Numbers only: what they were called is gone.
CREATE TABLE deletions (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id  uuid NOT NULL,                        -- no reference: this outlives it
  conversation_key bigint,                               -- NULL: the whole organization
  position         bigint NOT NULL DEFAULT 0,            -- of a conversation: its turns up to here are gone,
  seq              integer NOT NULL DEFAULT 0,           -- and of the next turns their events up to here
  asked_at         timestamptz NOT NULL DEFAULT now(),
  removed_at       timestamptz                           -- since when nothing of it is in the other tables
);
CREATE UNIQUE INDEX deletions_conversation ON deletions (conversation_key) WHERE conversation_key IS NOT NULL;
CREATE UNIQUE INDEX deletions_organization ON deletions (organization_id) WHERE conversation_key IS NULL;
CREATE INDEX deletions_open    ON deletions (id) WHERE removed_at IS NULL;
CREATE INDEX deletions_removed ON deletions (removed_at, id) WHERE removed_at IS NOT NULL;

ALTER TABLE deletions ENABLE ROW LEVEL SECURITY;
ALTER TABLE deletions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON deletions USING (
  (SELECT current_setting('turnkeeper.organization', true)) = '*'
  OR organization_id
     = (SELECT nullif(nullif(current_setting('turnkeeper.organization', true), ''), '*')::uuid));

-- What was done in an organization stays known when the organization is gone.
ALTER TABLE audit_log DROP CONSTRAINT audit_log_organization_id_fkey;
