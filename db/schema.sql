-- The schema as a reader wants to see it: what the migrations add up to. A test fails when the two
-- differ. Left out: the table that Flyway keeps, and the daily partitions of run_events, which a
-- replica makes as it goes.

-- Tenants.
CREATE TABLE organizations (
  id          uuid PRIMARY KEY,
  name        text NOT NULL UNIQUE,
  max_running integer CHECK (max_running >= 0),          -- concurrency cap; NULL: none
  paused_at   timestamptz,
  paused_by   text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  -- Limits; NULL: none. Requests and streams are counted by each replica, what is queued and stored over all of them.
  max_requests_per_second integer CHECK (max_requests_per_second >= 1),
  max_streams             integer CHECK (max_streams >= 0),
  max_queued              integer CHECK (max_queued >= 0),
  max_stored_bytes        bigint CHECK (max_stored_bytes >= 0)
);

-- Agents: the current version's number here, every version's definition beside it.
CREATE TABLE agents (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  name            text NOT NULL,
  version         integer NOT NULL CHECK (version >= 1),
  max_running     integer CHECK (max_running >= 0),
  paused_at       timestamptz,
  paused_by       text,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  removed_at      timestamptz,
  remote          boolean NOT NULL DEFAULT false,        -- its workers connect from elsewhere
  UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX agents_name ON agents (organization_id, name) WHERE removed_at IS NULL;

CREATE TABLE api_keys (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  name            text NOT NULL,
  role            text NOT NULL CHECK (role IN ('admin', 'client', 'reader', 'worker')),
  secret_hash     bytea NOT NULL,                        -- SHA-256 of 256 random bits
  created_at      timestamptz NOT NULL DEFAULT now(),
  revoked_at      timestamptz,
  max_requests_per_second integer CHECK (max_requests_per_second >= 1),
  max_streams             integer CHECK (max_streams >= 0),
  agent_id        uuid,                                  -- of a worker's key: the one agent it is for
  CONSTRAINT api_keys_agent_check CHECK ((role = 'worker') = (agent_id IS NOT NULL)),
  CONSTRAINT api_keys_agent_fkey
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);
CREATE INDEX api_keys_organization ON api_keys (organization_id, created_at);

-- A browser that has signed in to the console with a key. The cookie's text is kept nowhere, only its hash.
CREATE TABLE console_sessions (
  token_hash      bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  key_id          uuid NOT NULL REFERENCES api_keys (id),
  created_at      timestamptz NOT NULL DEFAULT now(),
  used_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX console_sessions_used ON console_sessions (used_at);

CREATE TABLE agent_versions (
  organization_id uuid NOT NULL,
  agent_id        uuid NOT NULL,
  version         integer NOT NULL,
  definition      jsonb NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (agent_id, version),
  FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);

-- Conversations: identity and metadata, cold. A client may create one before it says which agent it is for: its first run
-- binds it, and from then on the agent does not change.
CREATE TABLE conversations (
  key             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  agent_id        uuid,
  id              text NOT NULL CHECK (length(id) BETWEEN 1 AND 255),
  metadata        jsonb NOT NULL DEFAULT '{}',
  ephemeral       boolean NOT NULL DEFAULT false,        -- made for a stateless run; goes with it
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, key),
  FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);
CREATE INDEX conversations_updated ON conversations (organization_id, updated_at DESC, key DESC);
CREATE INDEX conversations_ephemeral ON conversations (created_at) WHERE ephemeral;
CREATE INDEX conversations_created ON conversations (organization_id, created_at DESC, key DESC);

-- Replicas: one row per server process, the only thing that is renewed. The id is the advisory lock's key too.
CREATE TABLE replicas (
  id                 integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  state              text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'draining', 'stopped', 'dead')),
  host               text NOT NULL,
  pid                bigint NOT NULL,
  address            text NOT NULL,
  version            text NOT NULL,
  max_leases         integer NOT NULL CHECK (max_leases >= 0),
  wanted_leases      integer CHECK (wanted_leases >= 0), -- what an operator wants; NULL: the replica's own
  started_at         timestamptz NOT NULL DEFAULT now(),
  heartbeat_at       timestamptz NOT NULL DEFAULT now(),
  lock_missing_since timestamptz, -- unused: each replica counts by its own clock
  ended_at           timestamptz
) WITH (fillfactor = 50);
CREATE INDEX replicas_alive ON replicas (id) WHERE state IN ('live', 'draining');

-- Mailboxes: hot and narrow, one per conversation that has had a run. Only 'ready' rows are in the index that claims read:
-- what cannot run now is 'delayed' (until ready_at), 'capped', 'paused', 'leased' or 'idle'.
CREATE TABLE mailboxes (
  conversation_key bigint PRIMARY KEY,
  organization_id  uuid NOT NULL,
  agent_id         uuid NOT NULL,
  state            text NOT NULL DEFAULT 'idle'
                   CHECK (state IN ('idle', 'ready', 'delayed', 'capped', 'paused', 'leased')),
  running          boolean NOT NULL DEFAULT false,        -- leased, and a run is under way
  priority         smallint NOT NULL DEFAULT 0,           -- the head run's
  pending          integer NOT NULL DEFAULT 0 CHECK (pending >= 0),
  replica_id       integer REFERENCES replicas (id),
  next_turn        bigint NOT NULL DEFAULT 1,
  epoch            bigint NOT NULL DEFAULT 0,             -- the fencing token; only grows
  tag              bigint NOT NULL DEFAULT 0,             -- start-time fair queuing over organizations
  ready_at         timestamptz NOT NULL DEFAULT now(),    -- when the head run may start
  changed_at       timestamptz NOT NULL DEFAULT now(),    -- since when it is in this state
  paused_by        text,                                  -- this conversation itself is paused
  CHECK ((state = 'leased') = (replica_id IS NOT NULL)),
  CHECK (running <= (state = 'leased')),
  CHECK (state IN ('idle', 'leased') OR pending > 0),
  CHECK (state <> 'idle' OR pending = 0),
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX mailboxes_ready   ON mailboxes (priority DESC, tag, conversation_key) WHERE state = 'ready';
CREATE INDEX mailboxes_delayed ON mailboxes (ready_at, conversation_key) WHERE state = 'delayed';
-- What a person has paused waits for that person: the tick that lifts caps and pauses does not read it.
CREATE INDEX mailboxes_held    ON mailboxes (organization_id, agent_id, state, tag)
  WHERE state IN ('capped', 'paused') AND paused_by IS NULL;
CREATE INDEX mailboxes_paused  ON mailboxes (organization_id) WHERE paused_by IS NOT NULL;
CREATE INDEX mailboxes_running ON mailboxes (organization_id, agent_id) WHERE running;
CREATE INDEX mailboxes_leased  ON mailboxes (replica_id) WHERE replica_id IS NOT NULL;

-- Runs: one per turn.
CREATE TABLE runs (
  id                uuid PRIMARY KEY,                      -- UUIDv7: names the partition of its events
  organization_id   uuid NOT NULL,
  agent_id          uuid NOT NULL,
  conversation_key  bigint NOT NULL,
  turn              bigint NOT NULL CHECK (turn >= 1),
  run_type          text NOT NULL DEFAULT 'turn',
  status            text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled', 'timeout')),
  priority          smallint NOT NULL DEFAULT 0,
  attempt           integer NOT NULL DEFAULT 0,
  max_attempts      integer NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
  agent_version     integer,                               -- the one that ran it
  epoch             bigint,                                -- of the lease that runs or ran it
  run_at            timestamptz NOT NULL DEFAULT now(),
  expires_at        timestamptz,
  idempotency_key   text,
  fingerprint       bytea,                                 -- of the request that used the key
  cancel_requested  text,                                  -- why, once somebody asked
  action_input      jsonb NOT NULL,
  options           jsonb NOT NULL DEFAULT '{}',           -- what the client asked of the stream and of the end
  metadata          jsonb NOT NULL DEFAULT '{}',
  output            json,                                  -- the turn's messages, whole
  error             jsonb,                                 -- code and message
  restore_mode      text,                                  -- how the agent got its memory back
  created_at        timestamptz NOT NULL DEFAULT now(),
  started_at        timestamptz,
  finished_at       timestamptz,
  UNIQUE (conversation_key, turn),
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key),
  FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
) WITH (fillfactor = 85);
CREATE INDEX runs_live     ON runs (conversation_key, turn) WHERE status IN ('pending', 'running', 'waiting');
CREATE INDEX runs_created  ON runs (organization_id, id DESC);
CREATE INDEX runs_expiring ON runs (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX runs_finished ON runs (organization_id, finished_at) WHERE finished_at IS NOT NULL; -- what an hour held
CREATE INDEX runs_failed   ON runs (organization_id, id DESC) WHERE status IN ('failed', 'timeout');
CREATE UNIQUE INDEX runs_idempotency ON runs (organization_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What somebody asks of a run that another replica may hold: deleted when the run ends.
CREATE TABLE run_commands (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id  uuid NOT NULL,
  conversation_key bigint NOT NULL,
  run_id           uuid NOT NULL,
  kind             text NOT NULL CHECK (kind IN ('cancel', 'answer')),
  body             jsonb NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key)
);
CREATE INDEX run_commands_run ON run_commands (run_id);
CREATE INDEX run_commands_conversation ON run_commands (conversation_key);

-- The log: append-only, partitioned by the time in the run's id. Retention drops partitions, never deletes rows.
-- json, not jsonb: what an agent says is kept as it said it.
CREATE TABLE run_events (
  run_id          uuid NOT NULL,
  seq             integer NOT NULL CHECK (seq >= 1),
  organization_id uuid NOT NULL,
  kind            text NOT NULL,
  data            json NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, seq)
) PARTITION BY RANGE (run_id);

-- An agent's files after a run. Chunks belong to a conversation, so nothing is shared between tenants.
CREATE TABLE snapshots (
  run_id           uuid PRIMARY KEY,
  organization_id  uuid NOT NULL,
  conversation_key bigint NOT NULL,
  turn             bigint NOT NULL,
  epoch            bigint NOT NULL,
  completed        boolean NOT NULL DEFAULT false,         -- only those of completed runs are restored from
  session          jsonb NOT NULL,                         -- what the worker needs to find its session again
  manifest         bytea NOT NULL,
  files            integer NOT NULL,
  bytes            bigint NOT NULL,                        -- of all files
  added_bytes      bigint NOT NULL,                        -- stored anew, compressed
  created_at       timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key)
);
CREATE INDEX snapshots_newest ON snapshots (conversation_key, turn DESC);

CREATE TABLE snapshot_chunks (
  conversation_key bigint NOT NULL,
  hash             bytea NOT NULL,
  organization_id  uuid NOT NULL,
  data             bytea NOT NULL,
  PRIMARY KEY (conversation_key, hash),
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key)
);
ALTER TABLE snapshot_chunks ALTER COLUMN data SET STORAGE EXTERNAL;  -- compressed already

-- Who is connected, by stream or by polling, and for how many runs at once. What they can take together is a cap on the
-- agent's runs: with nobody connected nothing of it is claimed.
CREATE TABLE workers (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL,
  agent_id        uuid NOT NULL,
  key_id          uuid NOT NULL REFERENCES api_keys (id),
  name            text NOT NULL,                         -- its own; a second connection under it takes its place
  connection      uuid NOT NULL,                         -- the newest
  capacity        integer NOT NULL CHECK (capacity >= 1),
  connected_at    timestamptz NOT NULL DEFAULT now(),
  expires_at      timestamptz NOT NULL,
  UNIQUE (organization_id, agent_id, name),
  FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
) WITH (fillfactor = 50);

-- A run that is under way at a worker from elsewhere, or waits for one. The lease is its replica's, as of any run.
CREATE TABLE worker_turns (
  run_id           uuid PRIMARY KEY,
  organization_id  uuid NOT NULL,
  agent_id         uuid NOT NULL,
  conversation_key bigint NOT NULL,
  epoch            bigint NOT NULL,                       -- of the lease under which it was offered
  attempt          integer NOT NULL,
  state            text NOT NULL DEFAULT 'offered' CHECK (state IN ('offered', 'taken', 'ended')),
  worker_id        uuid,
  key_id           uuid,                                  -- whose key took it
  received         integer NOT NULL DEFAULT 0,            -- number of the last message accepted
  cancel           text,                                  -- why it is to stop
  answers          jsonb NOT NULL DEFAULT '[]',           -- of people, to what the worker asked
  deadline_at      timestamptz NOT NULL,                  -- silent until then, it is lost
  FOREIGN KEY (organization_id, conversation_key) REFERENCES conversations (organization_id, key)
) WITH (fillfactor = 50);
CREATE INDEX worker_turns_offered ON worker_turns (agent_id, run_id) WHERE state = 'offered';
CREATE INDEX worker_turns_taken   ON worker_turns (worker_id) WHERE state = 'taken';
CREATE INDEX worker_turns_ended   ON worker_turns (deadline_at) WHERE state = 'ended';
CREATE INDEX worker_turns_conversation ON worker_turns (conversation_key);

-- What a worker said and its run's holder has yet to write into the log.
CREATE TABLE worker_messages (
  run_id          uuid NOT NULL REFERENCES worker_turns (run_id) ON DELETE CASCADE,
  seq             integer NOT NULL CHECK (seq >= 1),
  organization_id uuid NOT NULL,
  data            json NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- What run tokens are signed with: the newest signs, the others verify until they expire.
CREATE TABLE token_keys (
  id         text PRIMARY KEY,
  secret     bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);

-- Who did what to keys, agents, caps and conversations. Written before it is done; a refusal follows as a row of its own.
CREATE TABLE audit_log (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL,                         -- no reference: this outlives it
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

-- How far each backfill has got; what it fills is in its file in db/backfill.
CREATE TABLE backfills (
  name        text PRIMARY KEY,
  position    text,                                      -- the last key that is done with; NULL: none
  filled      bigint NOT NULL DEFAULT 0,
  passed      bigint NOT NULL DEFAULT 0,                 -- rows that had nothing to be filled with
  started_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz                                -- NULL: there was more
);

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
                              'run_commands', 'run_events', 'snapshots', 'snapshot_chunks', 'audit_log', 'workers',
                              'worker_turns', 'worker_messages', 'deletions',
                              'webhook_deliveries', 'webhook_secrets']
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

-- Nobody's but the service's: no tenant's transaction reads it.
ALTER TABLE token_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON token_keys USING ((SELECT current_setting('turnkeeper.organization', true)) = '*');

ALTER TABLE console_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE console_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON console_sessions USING (
  (SELECT current_setting('turnkeeper.organization', true)) = '*'
  OR organization_id
     = (SELECT nullif(nullif(current_setting('turnkeeper.organization', true), ''), '*')::uuid));
