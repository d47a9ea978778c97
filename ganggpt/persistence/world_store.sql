-- name: one_at_a_time
SELECT pg_advisory_xact_lock(7022007)

-- name: name
SELECT name FROM world

-- name: save_world
INSERT INTO world (name, title, seed, shards, sheet) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (one) DO UPDATE SET title = excluded.title, seed = excluded.seed, sheet = excluded.sheet,
  loaded_at = clock_timestamp()
RETURNING shards

-- name: save_cast
INSERT INTO cast_members (actor, kind, command, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT (actor) DO UPDATE SET command = excluded.command, body = excluded.body

-- name: show_cast
-- Lists show people of the world files before they are first needed. A living one's row is written by its host.
INSERT INTO npcs (id, actor, name, role, district, faction)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, district = excluded.district,
  faction = excluded.faction, updated_at = clock_timestamp() WHERE npcs.created_at IS NULL

-- name: hold_npcs
-- Rows are written and deleted in two orders: a flush that held some of them meanwhile could end in a deadlock.
LOCK TABLE npcs IN SHARE ROW EXCLUSIVE MODE

-- name: hide_cast
DELETE FROM npcs WHERE created_at IS NULL AND NOT id = ANY($1::text[])

-- name: save_shards
INSERT INTO shards (shard, residence) SELECT s, 'shared' FROM unnest($1::text[]) s ON CONFLICT (shard) DO NOTHING

-- name: load_world
SELECT sheet FROM world

-- name: load_cast
SELECT actor, command, body FROM cast_members ORDER BY actor

-- name: loaded_at
SELECT extract(epoch FROM loaded_at)::float8 FROM world

-- name: loaded_ms
SELECT (extract(epoch FROM loaded_at) * 1000)::bigint FROM world

-- name: shards
SELECT shards FROM world

-- name: forget_cast
DELETE FROM cast_members WHERE NOT actor = ANY($1::text[])

-- name: tell
-- Delivered when the outbox is next read, a few seconds later: by then every host has read the changed world.
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT $1, $2, n - 1, shard, target, id, name, body, clock_timestamp()
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[]) WITH ORDINALITY
  AS t (id, shard, target, name, body, n)

-- name: untold
SELECT count(*) FROM outbox WHERE sender = $1 AND name <> 'ForgetPlayer'
