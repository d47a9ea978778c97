-- What lists of the world are read from, page by page. Each index ends with what its list is ordered by, so that a page
-- costs its own rows, however many there are.

-- Who lives in the world. People of the world files are here before they are first needed, with no created_at.
CREATE TABLE npcs (
    id varchar(100) PRIMARY KEY,                     -- the name behind npc:, as in npc_memories
    actor text UNIQUE NOT NULL,
    name varchar(100) NOT NULL,
    role varchar(100) NOT NULL,
    district varchar(63) NOT NULL,                   -- where they are at home
    faction varchar(63),
    created_at timestamptz,
    retired boolean NOT NULL DEFAULT false,          -- left the world, and may come back
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX npcs_by_retired ON npcs (retired, actor);
CREATE INDEX npcs_by_district ON npcs (retired, district, actor);
CREATE INDEX npcs_by_faction ON npcs (retired, faction, actor) WHERE faction IS NOT NULL;

ALTER TABLE players ADD COLUMN district text;        -- where they were last reported
DROP INDEX players_online;
CREATE INDEX players_online ON players (server, actor) WHERE online;
CREATE INDEX players_online_by_name ON players (actor) WHERE online;
CREATE INDEX players_by_district ON players (district, actor) WHERE district IS NOT NULL;

ALTER TABLE missions ADD COLUMN payer text;          -- the faction that pays, where one does
DROP INDEX missions_by_player;
CREATE INDEX missions_by_player ON missions (player_id, created_at, actor) WHERE player_id IS NOT NULL;
DROP INDEX missions_by_status;
CREATE INDEX missions_by_status ON missions (status, created_at, actor);
CREATE INDEX missions_by_time ON missions (created_at, actor);
CREATE INDEX missions_open ON missions (created_at, actor) WHERE status IN ('offered', 'accepted', 'in_progress');
CREATE INDEX missions_by_giver ON missions (giver, created_at, actor);
CREATE INDEX missions_by_payer ON missions (payer, created_at, actor) WHERE payer IS NOT NULL;

DROP INDEX companions_by_player;
CREATE INDEX companions_by_player ON companions (player_id, actor) WHERE player_id IS NOT NULL;
CREATE INDEX companions_gone ON companions ((memory_data ->> 'gone'), actor) WHERE memory_data ->> 'gone' IS NOT NULL;
