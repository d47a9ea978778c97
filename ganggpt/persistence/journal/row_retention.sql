-- name: months
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'npc_memories'::regclass AND c.relname ~ '^npc_memories_[0-9]{6}$' ORDER BY c.relname

-- name: count
SELECT count(*) FROM (SELECT 1 FROM {part} LIMIT $1) few

-- name: expired
SELECT id, npc_id, content ->> 'no' AS no, created_at, expires_at, terms IS NOT NULL AS tail FROM npc_memories
WHERE expires_at < clock_timestamp() AND (expires_at, id) > ($1::timestamptz, $2::uuid)
ORDER BY expires_at, id LIMIT $3

-- name: of_month
SELECT id, npc_id, content ->> 'no' AS no, created_at, expires_at, terms IS NOT NULL AS tail FROM {part}
WHERE id > $1::uuid ORDER BY id LIMIT $2

-- name: delete_memories
DELETE FROM npc_memories m USING unnest($1::uuid[], $2::timestamptz[]) AS d (id, created_at)
WHERE m.id = d.id AND m.created_at = d.created_at

-- name: ended_missions
-- An ended mission takes no further turn (its rules refuse everything), so no host can be about to write it. It is
-- deleted once the journal, the outbox and the reminders have nothing of it; one index search for each table and mission.
-- The bound of created_at is a query of its own, because a clock's value is none for an index.
SELECT m.id, m.actor FROM missions m
WHERE m.status IN ('completed', 'failed', 'expired') AND m.actor IS NOT NULL
  AND m.created_at < (SELECT clock_timestamp() - make_interval(days => $1))
  AND m.updated_at < clock_timestamp() - make_interval(days => $1)
  AND (SELECT j.seq FROM journal j WHERE j.actor = m.actor LIMIT 1) IS NULL
  AND (SELECT o.seq FROM outbox o WHERE o.sender = m.actor LIMIT 1) IS NULL
  AND (SELECT r.name FROM reminders r WHERE r.actor = m.actor LIMIT 1) IS NULL
LIMIT $2

-- name: delete_snapshots
DELETE FROM snapshots WHERE actor = ANY($1::text[])

-- name: delete_missions
DELETE FROM missions WHERE id = ANY($1::uuid[])

-- name: delete_old_pushes
-- Numbers follow time closely enough: the oldest by number are read, and deleted where they are old by the clock.
DELETE FROM pushes WHERE no = ANY(ARRAY(
  SELECT no FROM (SELECT no, at FROM pushes ORDER BY no LIMIT $2) oldest
  WHERE at < clock_timestamp() - make_interval(days => $1)))

-- name: count_old_pushes
SELECT count(*) FROM pushes WHERE at < clock_timestamp() - make_interval(days => $1)

-- name: delete_servers
DELETE FROM game_servers WHERE seen_at < clock_timestamp() - make_interval(days => $1) RETURNING name

-- name: delete_pushes_of
DELETE FROM pushes WHERE server = ANY($1::text[])

-- name: count_servers
SELECT count(*) FROM game_servers WHERE seen_at < clock_timestamp() - make_interval(days => $1)

-- name: delete_hosts
DELETE FROM hosts WHERE state = 'dead' AND seen_at < clock_timestamp() - interval '1 day'
  AND NOT EXISTS (SELECT 1 FROM shards WHERE shards.epoch = hosts.epoch)

-- name: delete_clusters
DELETE FROM clusters WHERE seen_at < clock_timestamp() - make_interval(days => $1)
  AND name IS DISTINCT FROM (SELECT owner FROM world)
  AND NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.cluster = clusters.name AND hosts.state <> 'dead')
