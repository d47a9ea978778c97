-- name: actors_of_part
-- Jumps from actor to actor by the index of a part: the cost is that of the day's actors, not of its turns.
WITH RECURSIVE next AS (
  (SELECT actor FROM {part} ORDER BY actor LIMIT 1)
  UNION ALL
  SELECT n.actor FROM next
    CROSS JOIN LATERAL (SELECT actor FROM {part} WHERE actor > next.actor ORDER BY actor LIMIT 1) n
)
SELECT actor FROM next

-- name: journal_parts
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'journal'::regclass ORDER BY c.relname

-- name: actors_with_snapshots
SELECT actor FROM snapshots

-- name: snapshots
SELECT actor, seq, body FROM snapshots WHERE actor = ANY($1::text[])

-- name: turns
SELECT actor, seq, command_id, extract(epoch FROM at)::float8 AS at_s, body FROM journal WHERE actor = ANY($1::text[])
ORDER BY actor, seq

-- name: doubled
SELECT command_id, min(actor) AS one, max(actor) AS other FROM journal GROUP BY command_id HAVING count(*) > 1 LIMIT 100

-- name: outbox
SELECT sender AS actor, shard FROM outbox

-- name: reminders
SELECT actor, shard FROM reminders

-- name: sheet
SELECT sheet FROM world

-- name: wrong_cast
-- Of people who never lived npcs shows what the world files say, and no others.
SELECT coalesce(g.actor, n.actor) AS actor
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
  AS g (id, actor, name, role, district, faction)
  FULL JOIN npcs n ON n.id = g.id
WHERE n.id IS NULL OR n.created_at IS NULL AND (n.retired OR (n.actor, n.name, n.role, n.district, n.faction)
  IS DISTINCT FROM (g.actor, g.name, g.role, g.district, g.faction))
ORDER BY 1

-- name: world
SELECT w.name, w.shards, extract(epoch FROM clock_timestamp())::float8 AS now_s,
  (SELECT extract(epoch FROM min(flushed_at))::float8 FROM hosts h
     WHERE state <> 'dead' OR EXISTS (SELECT FROM shards s WHERE s.epoch = h.epoch)) AS flushed_s,
  ARRAY(SELECT shard FROM shards WHERE residence = 'own') AS own, ARRAY(SELECT shard FROM shards) AS all_shards
FROM world w
