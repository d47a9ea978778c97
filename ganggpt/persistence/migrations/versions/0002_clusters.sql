-- Several Ray clusters on one database: who is there, who should hold the world, and how many hosts each should run.

CREATE TABLE clusters (
    name text PRIMARY KEY,
    bridge text,                                       -- where game servers reach its bridge; told to those who ask the wrong one
    key text NOT NULL,                                 -- proves to its bridge that another one reads this database
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- its supervisor's last heartbeat
    hosts_now integer NOT NULL DEFAULT 0,              -- shared hosts the supervisor wants at the moment
    hosts_min integer,                                 -- bounds and a fixed number an operator has set (`ganggpt scale`)
    hosts_max integer,
    hosts_fixed integer,
    load jsonb,                                        -- what the supervisor last heard of its shared hosts. Not on their own rows:
    load_at timestamptz,                               -- a commit holds those, and would wait for every look
    CHECK (hosts_min > 0 AND hosts_max >= hosts_min AND hosts_fixed > 0)
);

ALTER TABLE world
    ADD COLUMN owner text,                             -- the cluster that should hold the shards; null: whoever is there
    ADD COLUMN owner_since timestamptz;

ALTER TABLE hosts
    ADD COLUMN cluster text NOT NULL DEFAULT 'local',
    ADD COLUMN node text;                              -- Ray's id of the node, so that a draining node is left in time

ALTER TABLE shards
    ADD COLUMN flushed boolean NOT NULL DEFAULT false; -- the tables showed every turn when the holder got it

-- At most one incarnation of a name is not dead in a cluster.
DROP INDEX hosts_one_incarnation;
CREATE UNIQUE INDEX hosts_one_incarnation ON hosts (cluster, name) WHERE state <> 'dead';
