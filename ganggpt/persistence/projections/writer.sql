-- name: lock_live_host
SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE

-- name: lock_own_row
-- In a transaction of its own after the rows: one that holds its host's row shared must not also change it, because a
-- heartbeat or a takeover may wait in between. The row is locked first, so that the next statement sees every shard given
-- to the host until then. What the last owner of a shard did not flush counts from that owner's mark, so a host that has
-- not heard of the shard yet must not raise its own mark.
SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR NO KEY UPDATE

-- name: mark_flushed
UPDATE hosts SET flushed_at = greatest(flushed_at, to_timestamp($2))
WHERE epoch = $1 AND NOT EXISTS (SELECT 1 FROM shards WHERE shards.epoch = $1 AND NOT shards.shard = ANY($3::text[]))

-- name: placeholders
-- Players are written by statements of their own before all else, in the order of ids: rows of many hosts refer to them,
-- and two transactions that held some of them while they waited for others would end in a deadlock.
WITH live AS MATERIALIZED (SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE)
INSERT INTO players (id, username, email, actor)
SELECT p.id, 'player-' || p.id, p.id || '@players.invalid', p.actor
FROM unnest($2::uuid[], $3::text[]) AS p (id, actor), live ORDER BY p.id
ON CONFLICT DO NOTHING

-- name: players
-- A name or an address that another player holds gets a form of its own, always the same; in a batch the smallest id wins.
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), given AS (
  SELECT *, row_number() OVER (PARTITION BY username ORDER BY id) > 1 AS name_twice,
    row_number() OVER (PARTITION BY email ORDER BY id) > 1 AS email_twice
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::text[], $8::float8[], $9::text[],
    $10::bool[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::text[])
    AS g (id, username, email, created_s, login_s, tier, played_s, actor, online, server, cash, standing, missions,
      district)
)
INSERT INTO players AS p (id, username, email, created_at, last_login, subscription_tier, total_playtime, actor, online,
  server, cash, standing, active_missions, district)
SELECT g.id,
  CASE WHEN n.holder <> g.id OR (n.holder IS NULL AND name_twice)
    THEN left(g.username, 41) || '~' || left(g.id::text, 8) ELSE g.username END,
  CASE WHEN g.email IS NULL OR e.holder <> g.id OR (e.holder IS NULL AND email_twice)
    THEN g.id || '@players.invalid' ELSE g.email END,
  to_timestamp(created_s), to_timestamp(login_s), tier, make_interval(secs => played_s), actor, online, server, cash,
  standing::jsonb, ARRAY(SELECT jsonb_array_elements_text(missions::jsonb)), district
FROM live, given g
  LEFT JOIN LATERAL (SELECT id AS holder FROM players WHERE username = g.username) n ON true
  LEFT JOIN LATERAL (SELECT id AS holder FROM players WHERE email = g.email) e ON true
ORDER BY g.id
ON CONFLICT (id) DO UPDATE SET username = excluded.username,
  email = CASE WHEN excluded.email LIKE '%@players.invalid' THEN p.email ELSE excluded.email END,
  created_at = excluded.created_at, last_login = excluded.last_login, subscription_tier = excluded.subscription_tier,
  total_playtime = excluded.total_playtime, actor = excluded.actor, online = excluded.online, server = excluded.server,
  cash = excluded.cash, standing = excluded.standing, active_missions = excluded.active_missions,
  district = excluded.district, updated_at = clock_timestamp()

-- name: npcs
INSERT INTO npcs (id, actor, name, role, district, faction, created_at, retired)
SELECT id, actor, name, role, district, faction, to_timestamp(created_s), retired
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::bool[])
  AS g (id, actor, name, role, district, faction, created_s, retired)
ON CONFLICT (id) DO UPDATE SET actor = excluded.actor, name = excluded.name, role = excluded.role,
  district = excluded.district, faction = excluded.faction, created_at = excluded.created_at,
  retired = excluded.retired, updated_at = clock_timestamp()

-- name: delete_surplus_memories
-- A row with terms is in the memory archive (see memory_archive.py): its mind had no room for it, and no flush touches it.
DELETE FROM npc_memories WHERE npc_id = ANY($1::text[]) AND NOT id = ANY($2::uuid[]) AND terms IS NULL

-- name: delete_memories
DELETE FROM npc_memories m USING unnest($1::uuid[], $2::float8[]) AS d (id, created_s)
WHERE m.id = d.id AND m.created_at = to_timestamp(d.created_s) AND m.terms IS NULL

-- name: memories
INSERT INTO npc_memories (id, npc_id, player_id, memory_type, content, emotional_weight, created_at, expires_at)
SELECT id, npc_id, player_id, memory_type, content::jsonb, weight, to_timestamp(created_s), to_timestamp(expires_s)
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::float8[])
  AS g (id, npc_id, player_id, memory_type, content, weight, created_s, expires_s)
ON CONFLICT (id, created_at) DO UPDATE SET player_id = excluded.player_id, memory_type = excluded.memory_type,
  content = excluded.content, emotional_weight = excluded.emotional_weight, expires_at = excluded.expires_at
WHERE npc_memories.terms IS NULL

-- name: relations
INSERT INTO faction_relationships (faction_a, faction_b, relationship_type, strength, last_updated, cause)
SELECT a, b, type, strength, to_timestamp(updated_s), cause
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::float8[], $6::text[])
  AS g (a, b, type, strength, updated_s, cause)
ON CONFLICT (faction_a, faction_b) DO UPDATE SET relationship_type = excluded.relationship_type,
  strength = excluded.strength, last_updated = excluded.last_updated, cause = excluded.cause

-- name: factions
INSERT INTO factions (id, name, influence, treasury, territories)
SELECT id, name, influence, treasury, ARRAY(SELECT jsonb_array_elements_text(territories::jsonb))
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[])
  AS g (id, name, influence, treasury, territories)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, influence = excluded.influence, treasury = excluded.treasury,
  territories = excluded.territories, updated_at = clock_timestamp()

-- name: missions
INSERT INTO missions (id, title, description, generated_by, difficulty, estimated_duration, reward_pool, faction_impact,
  created_at, expires_at, actor, status, giver, player_id, objectives, payer)
SELECT id, title, description, generated_by, difficulty, make_interval(secs => duration_s), reward, impact::jsonb,
  to_timestamp(created_s), to_timestamp(expires_s), actor, status, giver, player_id, objectives::jsonb,
  payer
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::float8[], $7::int[], $8::text[],
  $9::float8[], $10::float8[], $11::text[], $12::text[], $13::text[], $14::uuid[], $15::text[], $16::text[])
  AS g (id, title, description, generated_by, difficulty, duration_s, reward, impact, created_s, expires_s, actor,
    status, giver, player_id, objectives, payer)
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, status = excluded.status,
  player_id = excluded.player_id, objectives = excluded.objectives, payer = excluded.payer,
  updated_at = clock_timestamp()

-- name: companions
INSERT INTO companions (id, player_id, name, companion_type, personality, experience_points, loyalty_level, memory_data,
  created_at, actor)
SELECT id, player_id, name, type, personality::jsonb, experience, loyalty, memory::jsonb, to_timestamp(created_s), actor
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::text[], $9::float8[],
  $10::text[])
  AS g (id, player_id, name, type, personality, experience, loyalty, memory, created_s, actor)
ON CONFLICT (id) DO UPDATE SET player_id = excluded.player_id, name = excluded.name,
  companion_type = excluded.companion_type, personality = excluded.personality,
  experience_points = excluded.experience_points, loyalty_level = excluded.loyalty_level,
  memory_data = excluded.memory_data, updated_at = clock_timestamp()
