-- Who asked to be forgotten. While it is being done the row knows whom; afterwards only a salted hash is left, by which
-- a restored older world finds out that it has to forget somebody again.
CREATE TABLE erasures (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    player text,                                     -- the actor; null once nothing of it is left
    names text[] NOT NULL DEFAULT '{}',              -- what the player went by, found on the way; empty afterwards
    alias text NOT NULL,                             -- stands for nobody where the journal needs an id
    salt bytea NOT NULL,
    mark bytea NOT NULL,                             -- SHA-256 of salt and actor
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    step text NOT NULL DEFAULT '',                   -- what is being done
    rounds integer NOT NULL DEFAULT 0,
    erased jsonb NOT NULL DEFAULT '{}',              -- how much of what
    done_at timestamptz
);
CREATE UNIQUE INDEX erasures_open ON erasures (player) WHERE done_at IS NULL;
