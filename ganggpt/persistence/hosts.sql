-- name: fence_predecessors
UPDATE hosts SET state = 'dead' WHERE cluster = $1 AND name = $2 AND state <> 'dead' RETURNING epoch

-- name: insert_host
INSERT INTO hosts (cluster, name, kind, state, address, node, flushed_at)
SELECT $1, $2, $3, 'live', $5, $6, coalesce(min(flushed_at), clock_timestamp())
FROM hosts WHERE epoch = ANY($4::bigint[])
  OR ($3 = 'own' AND state = 'dead' AND epoch = (SELECT shards.epoch FROM shards WHERE shard = $2))
RETURNING epoch, extract(epoch FROM clock_timestamp())::float8 AS now_s

-- name: inherit_shards
-- The new host must flush what its fenced predecessors, and the dead holder of its own shard, did not flush.
UPDATE shards SET epoch = $1, since = clock_timestamp(), flushed = false WHERE epoch = ANY($2::bigint[])

-- name: claim_own_shard
UPDATE shards SET epoch = $1, since = clock_timestamp(), flushed = false
WHERE shard = $2 AND (epoch IS NULL OR epoch IN (SELECT epoch FROM hosts WHERE state = 'dead'))

-- name: assign
UPDATE shards SET epoch = h.epoch, since = clock_timestamp(), flushed = false
FROM hosts h, unnest($2::text[], $3::text[]) AS w (shard, host)
WHERE shards.shard = w.shard AND h.cluster = $1 AND h.name = w.host AND h.state = 'live'
  AND (shards.epoch IS NULL OR shards.epoch IN (SELECT epoch FROM hosts WHERE state = 'dead'))

-- name: hand_over
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), heir AS MATERIALIZED (
  SELECT epoch FROM hosts WHERE cluster = $3 AND name = $4 AND state = 'live' FOR SHARE
)
UPDATE shards SET epoch = heir.epoch, since = clock_timestamp(), flushed = true
FROM live, heir WHERE shards.shard = ANY($2::text[]) AND shards.epoch = $1
RETURNING shards.shard

-- name: beat
UPDATE hosts SET seen_at = clock_timestamp() WHERE epoch = $1 AND state <> 'dead'
RETURNING extract(epoch FROM clock_timestamp())::float8 AS now_s,
  coalesce((SELECT extract(epoch FROM max(since))::float8 FROM shards WHERE shards.epoch = $1), 0) AS shards_at_s,
  coalesce((SELECT extract(epoch FROM loaded_at)::float8 FROM world), 0) AS world_at_s

-- name: fence
UPDATE hosts SET state = 'dead' WHERE epoch = $1 AND state <> 'dead'

-- name: fence_stale
UPDATE hosts SET state = 'dead'
WHERE state <> 'dead' AND seen_at < clock_timestamp() - make_interval(secs => $1) RETURNING cluster, name, kind

-- name: alive
SELECT name, kind, epoch, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_s, cluster, node
FROM hosts WHERE state <> 'dead' ORDER BY cluster, name

-- name: routes
SELECT s.shard, s.residence, h.name AS host, h.epoch, h.cluster, c.bridge, s.flushed
FROM shards s LEFT JOIN hosts h ON h.epoch = s.epoch AND h.state <> 'dead' LEFT JOIN clusters c ON c.name = h.cluster

-- name: delete_own_shards
DELETE FROM shards WHERE residence = 'own' AND NOT shard = ANY($1::text[])

-- name: insert_own_shards
INSERT INTO shards (shard, residence) SELECT o, 'own' FROM unnest($1::text[]) o ON CONFLICT (shard) DO NOTHING

-- name: inherit_flush_time
UPDATE hosts h SET flushed_at = least(h.flushed_at, o.flushed_at)
FROM (
  SELECT w.host, min(d.flushed_at) AS flushed_at
  FROM unnest($2::text[], $3::text[]) AS w (shard, host)
    JOIN shards s ON s.shard = w.shard JOIN hosts d ON d.epoch = s.epoch AND d.state = 'dead'
  GROUP BY w.host
) o
WHERE h.cluster = $1 AND h.name = o.host AND h.state = 'live'

-- name: unflushed
SELECT DISTINCT j.actor FROM hosts h
  JOIN journal j ON j.at >= h.flushed_at - interval '1 second' AND j.day >= (h.flushed_at - interval '1 day')::date
WHERE h.epoch = $1

-- name: delete_dead_hosts
DELETE FROM hosts WHERE state = 'dead' AND started_at < clock_timestamp() - interval '1 day'
  AND NOT EXISTS (SELECT 1 FROM shards WHERE shards.epoch = hosts.epoch)

-- name: lock_live_host
SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE

-- name: promote
INSERT INTO shards (shard, residence, epoch, flushed) VALUES ($1, 'own', $2, true)

-- name: demote
DELETE FROM shards WHERE shard = $1 AND residence = 'own' AND epoch = $2

-- name: move_messages
UPDATE outbox SET shard = $2 WHERE sender = $1

-- name: move_reminders
UPDATE reminders SET shard = $2 WHERE actor = $1

-- name: move_all_messages
UPDATE outbox SET shard = m.home FROM unnest($1::text[], $2::text[]) AS m (actor, home)
WHERE outbox.sender = m.actor AND outbox.shard <> m.home

-- name: move_all_reminders
UPDATE reminders SET shard = m.home FROM unnest($1::text[], $2::text[]) AS m (actor, home)
WHERE reminders.actor = m.actor AND reminders.shard <> m.home

-- name: companions_at_play
SELECT c.actor FROM companions c JOIN players p ON p.id = c.player_id
WHERE p.online AND c.actor IS NOT NULL AND c.memory_data -> 'gone' IS NULL ORDER BY c.created_at, c.actor LIMIT $1
