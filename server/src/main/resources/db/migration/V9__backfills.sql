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
