-- The whole schema of a world: who writes, what happened, and the tables people query.
-- Plain SQL for Postgres 15 and newer. All times are timestamptz, because a TIMESTAMP loses the zone.

-- ---------------------------------------------------------------------------------------------------- the world itself

CREATE TABLE world (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),  -- a database holds one world
    name text NOT NULL,
    title text NOT NULL,
    seed bigint NOT NULL,
    shards integer NOT NULL CHECK (shards > 0),        -- fixed for life: hash(id) % shards must not change
    sheet bytea NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Commands that bring the world file's cast to life, sent under ids that make them once.
CREATE TABLE cast_members (
    actor text PRIMARY KEY,
    kind text NOT NULL,
    command text NOT NULL,
    body bytea NOT NULL
);

-- -------------------------------------------------------------------------------------------------------- who may write

CREATE SEQUENCE host_epoch;

CREATE TABLE hosts (
    epoch bigint PRIMARY KEY DEFAULT nextval('host_epoch'),
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('shared', 'own')),
    state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'draining', 'dead')),
    address text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    flushed_at timestamptz NOT NULL DEFAULT clock_timestamp()  -- the user's tables show every turn up to here
) WITH (fillfactor = 50);  -- heartbeats and flushes update these few rows all the time, in place

ALTER SEQUENCE host_epoch OWNED BY hosts.epoch;

-- At most one incarnation of a name is not dead.
CREATE UNIQUE INDEX hosts_one_incarnation ON hosts (name) WHERE state <> 'dead';

CREATE TABLE shards (
    shard text PRIMARY KEY,
    residence text NOT NULL CHECK (residence IN ('shared', 'own')),
    epoch bigint REFERENCES hosts (epoch),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX shards_by_epoch ON shards (epoch);

-- ------------------------------------------------------------------------------------------------------- what happened

-- Truth. A part per day, so that old turns go by dropping a table; the fence keeps (actor, seq) single across days.
CREATE TABLE journal (
    actor text NOT NULL,
    seq bigint NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL,
    epoch bigint NOT NULL,
    command_id uuid NOT NULL,
    by text NOT NULL,
    name text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (actor, seq, day)
) PARTITION BY RANGE (day);

-- Turns come in the order of their time: a few bytes of index for each megabyte find "since the last flush".
CREATE INDEX journal_at ON journal USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

-- Takes what no day fits, so that a late housekeeping never refuses a command; emptied when the day is made.
CREATE TABLE journal_other PARTITION OF journal DEFAULT;

CREATE TABLE snapshots (
    actor text PRIMARY KEY,
    seq bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    schema integer NOT NULL,
    body bytea NOT NULL
);

-- ------------------------------------------------------------------------------------------- what leaves with a turn

CREATE TABLE outbox (
    sender text NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    shard text NOT NULL,   -- the sender's, whose owner delivers it
    target text NOT NULL,
    command_id uuid NOT NULL,
    name text NOT NULL,
    body bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (sender, seq, n)
);
CREATE INDEX outbox_by_shard ON outbox (shard, at);

CREATE TABLE reminders (
    actor text NOT NULL,
    name text NOT NULL,
    shard text NOT NULL,
    due timestamptz NOT NULL,
    command text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (actor, name)
);
CREATE INDEX reminders_due ON reminders (shard, due);

CREATE TABLE game_servers (
    name text PRIMARY KEY,
    session uuid,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE pushes (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server text NOT NULL,
    epoch bigint NOT NULL,
    actor text NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX pushes_by_server ON pushes (server, no);

-- ------------------------------------------------------------------- the user's tables, written behind from the journal
-- Columns before the line "ours" are those that existing tools query; each after it says what it is for.

CREATE TABLE players (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    username varchar(50) UNIQUE NOT NULL,
    email varchar(255) UNIQUE NOT NULL,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    last_login timestamptz,
    subscription_tier varchar(20) DEFAULT 'free',
    total_playtime interval DEFAULT '0 minutes',
    -- ours
    actor text UNIQUE,                               -- the actor behind the row (player:<name>); null for imported accounts
    online boolean NOT NULL DEFAULT false,           -- who is on, without asking every game server
    server text,                                     -- the game server of the open or last session
    cash bigint NOT NULL DEFAULT 0,                  -- rewards are paid into it
    standing jsonb NOT NULL DEFAULT '{}',            -- by faction, -100..100
    active_missions text[] NOT NULL DEFAULT '{}',    -- mission actors
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX players_online ON players (server) WHERE online;

-- A part per month of creation, so that years of memories are dropped or moved by table. The partition key has to be in
-- the primary key; id alone stays unique because it is derived from (npc, number of the memory).
CREATE TABLE npc_memories (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    npc_id varchar(100) NOT NULL,
    player_id uuid REFERENCES players (id),
    memory_type varchar(50) NOT NULL,
    content jsonb NOT NULL,
    emotional_weight integer DEFAULT 50 CHECK (emotional_weight BETWEEN 0 AND 100),
    created_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at timestamptz,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX npc_memories_by_npc ON npc_memories (npc_id, created_at);
CREATE INDEX npc_memories_by_player ON npc_memories (player_id) WHERE player_id IS NOT NULL;
CREATE INDEX npc_memories_expiring ON npc_memories (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE npc_memories_other PARTITION OF npc_memories DEFAULT;

-- One row a direction: what faction_a thinks of faction_b.
CREATE TABLE faction_relationships (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    faction_a varchar(100) NOT NULL,
    faction_b varchar(100) NOT NULL,
    relationship_type varchar(50) NOT NULL,
    strength integer CHECK (strength BETWEEN -100 AND 100),
    last_updated timestamptz DEFAULT CURRENT_TIMESTAMP,
    -- ours
    cause text,                                      -- why it last changed
    UNIQUE (faction_a, faction_b)
);
CREATE INDEX faction_relationships_by_b ON faction_relationships (faction_b);

-- Relations between factions are in the table above; these are a faction's own numbers.
CREATE TABLE factions (
    id varchar(100) PRIMARY KEY,
    name text NOT NULL,
    influence integer NOT NULL,
    treasury bigint NOT NULL,
    territories text[] NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE missions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title varchar(255) NOT NULL,
    description text,
    generated_by varchar(50) DEFAULT 'ai',
    difficulty integer CHECK (difficulty BETWEEN 1 AND 10),
    estimated_duration interval,
    reward_pool integer DEFAULT 0,
    faction_impact jsonb,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    expires_at timestamptz,
    -- ours
    actor text UNIQUE,                               -- the actor behind the row (mission:<name>)
    status text NOT NULL DEFAULT 'offered',          -- offered, accepted, in_progress, completed, failed, expired
    giver text,                                      -- the NPC that offered it
    player_id uuid REFERENCES players (id),          -- who took it
    objectives jsonb NOT NULL DEFAULT '[]',          -- what to do and how much of it is done
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX missions_by_player ON missions (player_id) WHERE player_id IS NOT NULL;
CREATE INDEX missions_by_status ON missions (status, created_at);

CREATE TABLE companions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    player_id uuid REFERENCES players (id),
    name varchar(100) NOT NULL,
    companion_type varchar(50) NOT NULL,
    personality jsonb NOT NULL,
    experience_points integer DEFAULT 0,
    loyalty_level integer DEFAULT 50 CHECK (loyalty_level BETWEEN 0 AND 100),
    memory_data jsonb,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    -- ours
    actor text UNIQUE,                               -- the actor behind the row (companion:<name>)
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX companions_by_player ON companions (player_id) WHERE player_id IS NOT NULL;
