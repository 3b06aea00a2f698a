-- Workers from anywhere: the programs that connect for agents of kind remote, what they were given and what they said.
ALTER TABLE agents ADD COLUMN remote boolean NOT NULL DEFAULT false;

-- A key of role worker is bound to one agent.
ALTER TABLE api_keys ADD COLUMN agent_id uuid;
ALTER TABLE api_keys DROP CONSTRAINT api_keys_role_check;
ALTER TABLE api_keys
  ADD CONSTRAINT api_keys_role_check CHECK (role IN ('admin', 'client', 'reader', 'worker')),
  ADD CONSTRAINT api_keys_agent_check CHECK ((role = 'worker') = (agent_id IS NOT NULL)),
  ADD CONSTRAINT api_keys_agent_fkey
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id);

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

DO $$
DECLARE
  wall text;
BEGIN
  FOREACH wall IN ARRAY ARRAY['workers', 'worker_turns', 'worker_messages']
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
