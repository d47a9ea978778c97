-- name: open_order
INSERT INTO erasures (player, alias, salt, mark, asked_at)
VALUES ($1, $2, $3, $4, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING no

-- name: open_order_no
SELECT no FROM erasures WHERE player = $1 AND done_at IS NULL

-- name: open_orders
SELECT no, player, names, alias, salt, mark, asked_at, step, rounds, erased, done_at FROM erasures
WHERE done_at IS NULL ORDER BY no

-- name: order
SELECT no, player, names, alias, salt, mark, asked_at, step, rounds, erased, done_at FROM erasures
WHERE no = $1

-- name: note
UPDATE erasures SET step = $2, rounds = $3, names = $4::text[], erased = $5::jsonb WHERE no = $1 AND done_at IS NULL

-- name: fulfil
UPDATE erasures SET done_at = clock_timestamp(), player = NULL, names = '{}', step = '' WHERE no = $1

-- name: actors
-- $2: every id as bytes; $4: a regular expression for the names, or null.
SELECT actor FROM snapshots s
WHERE EXISTS (SELECT FROM unnest($2::bytea[]) w WHERE position(w IN s.body) > 0) OR encode(s.body, 'escape') ~ $4::text
UNION
SELECT actor FROM journal j
WHERE j.by = $1 OR EXISTS (SELECT FROM unnest($2::bytea[]) w WHERE position(w IN j.body) > 0)
   OR encode(j.body, 'escape') ~ $4::text
UNION
SELECT CASE WHEN npc_id LIKE '%:%' THEN npc_id ELSE 'npc:' || npc_id END FROM npc_memories
WHERE content #>> '{trace,origin}' = ANY($3::text[])
UNION
SELECT $1 WHERE EXISTS (SELECT FROM journal WHERE actor = $1) OR EXISTS (SELECT FROM snapshots WHERE actor = $1)
ORDER BY 1

-- name: origins
-- Memories of the player that others were told: their numbers are the origins of rumours.
WITH theirs AS (
  SELECT 'npc:' || npc_id || '#' || (content ->> 'no') AS origin FROM npc_memories
  WHERE player_id = $1 AND npc_id NOT LIKE '%:%' AND content ->> 'no' IS NOT NULL
)
SELECT DISTINCT content #>> '{trace,origin}' AS origin FROM npc_memories
WHERE content #>> '{trace,origin}' IN (SELECT origin FROM theirs)
   OR (player_id = $1 AND content #>> '{trace,origin}' IS NOT NULL)
LIMIT 1000

-- name: players
SELECT actor, max(joined_s) AS joined_s FROM (
  SELECT actor,
    CASE WHEN username <> 'player-' || id THEN extract(epoch FROM created_at)::float8 END AS joined_s
  FROM players WHERE actor IS NOT NULL
  UNION ALL
  SELECT DISTINCT content ->> 'about', NULL::float8 FROM npc_memories WHERE content ->> 'about' LIKE 'player:%'
  UNION ALL SELECT DISTINCT by, NULL::float8 FROM journal WHERE by LIKE 'player:%'
) p GROUP BY actor

-- name: is_online
SELECT FROM players WHERE actor = $1 AND online

-- name: names
SELECT username FROM players WHERE id = $1 AND username <> 'player-' || id

-- name: turns
SELECT tableoid::regclass::text AS part, seq, day, command_id, by, name, body, extract(epoch FROM at)::float8 AS at_s
FROM journal
WHERE actor = $1 AND seq > $2
  AND ($4::text IS NULL OR by = $4 OR EXISTS (SELECT FROM unnest($5::bytea[]) w WHERE position(w IN body) > 0)
    OR encode(body, 'escape') ~ $6::text)
ORDER BY seq LIMIT $3

-- name: forget_turns
SELECT seq, body FROM journal WHERE actor = $1 AND name = 'ForgetPlayer' ORDER BY seq

-- name: rewrite
UPDATE journal j SET by = r.by, body = r.body
FROM unnest($2::bigint[], $3::date[], $4::text[], $5::bytea[]) AS r (seq, day, by, body)
WHERE j.actor = $1 AND j.seq = r.seq AND j.day = r.day

-- name: reword_missions
UPDATE missions t SET title = r.title, description = r.description
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS r (id, title, description) WHERE t.id = r.id

-- name: check_constraint
SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE conrelid = $1::text::regclass AND conname = $2

-- name: send_messages
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT $1, $2, n - 1, shard, target, id, $3, $4, clock_timestamp() - interval '1 minute'
FROM unnest($5::text[], $6::text[], $7::uuid[]) WITH ORDINALITY AS o (shard, target, id, n)
ON CONFLICT DO NOTHING

-- name: undelivered
SELECT target FROM outbox WHERE sender = $1 AND seq = $2

-- name: unshown
-- Turns of these messages that the tables do not show yet.
SELECT count(*) FROM journal j JOIN hosts h ON h.epoch = j.epoch
WHERE j.command_id = ANY($1::uuid[]) AND h.state <> 'dead' AND h.flushed_at < j.at

-- name: ceased
SELECT seq FROM journal WHERE actor = $1 AND name = 'ForgetPlayer' ORDER BY seq DESC LIMIT 1

-- name: count_live_hosts
SELECT count(*) FROM hosts WHERE state <> 'dead' AND seen_at > clock_timestamp() - interval '30 s'
