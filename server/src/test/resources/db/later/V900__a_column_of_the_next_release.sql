-- A change as a next release might bring it, of the table that heartbeats are written to.
ALTER TABLE replicas ADD COLUMN of_the_next_release integer;
