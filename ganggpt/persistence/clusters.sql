-- name: enter
INSERT INTO clusters AS c (name, bridge, key) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET bridge = excluded.bridge, started_at = clock_timestamp(), seen_at = clock_timestamp()
RETURNING (xmax = 0) AS fresh

-- name: beat
UPDATE clusters SET seen_at = clock_timestamp() WHERE name = $1

-- name: standing
SELECT w.owner, coalesce(extract(epoch FROM clock_timestamp() - w.owner_since), 0)::float8 AS since_s,
  extract(epoch FROM clock_timestamp() - o.seen_at)::float8 AS silent_s,
  EXISTS (SELECT 1 FROM hosts h WHERE h.cluster = w.owner AND h.state = 'live') AS has_hosts
FROM world w LEFT JOIN clusters o ON o.name = w.owner

-- name: claim
UPDATE world SET owner = $1, owner_since = clock_timestamp()
WHERE owner IS DISTINCT FROM $1 AND EXISTS (SELECT 1 FROM clusters WHERE name = $1) RETURNING owner

-- name: leave
UPDATE world SET owner = NULL, owner_since = clock_timestamp() WHERE owner = $1

-- name: known
SELECT c.name, c.bridge, extract(epoch FROM clock_timestamp() - c.seen_at)::float8 AS silent_s,
  c.name IS NOT DISTINCT FROM (SELECT owner FROM world) AS owner,
  (SELECT count(*) FROM hosts h WHERE h.cluster = c.name AND h.state <> 'dead')::int AS hosts,
  (SELECT count(*) FROM shards s JOIN hosts h ON h.epoch = s.epoch
   WHERE h.cluster = c.name AND h.state <> 'dead')::int AS shards
FROM clusters c ORDER BY c.name

-- name: key
SELECT key FROM clusters WHERE name = $1
