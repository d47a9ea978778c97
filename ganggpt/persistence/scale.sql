-- name: wanted
SELECT hosts_now, hosts_min, hosts_max, hosts_fixed FROM clusters WHERE name = $1

-- name: set_limits
UPDATE clusters SET hosts_min = $2, hosts_max = $3, hosts_fixed = $4 WHERE name = $1

-- name: report
UPDATE clusters SET hosts_now = $2, load = $3::jsonb, load_at = clock_timestamp() WHERE name = $1

-- name: hosts
SELECT h.name, h.kind, h.state, h.node, h.address,
  extract(epoch FROM clock_timestamp() - h.seen_at)::float8 AS silent_s,
  (SELECT count(*) FROM shards s WHERE s.epoch = h.epoch) AS shards
FROM hosts h WHERE h.cluster = $1 AND h.state <> 'dead'
ORDER BY h.kind DESC, length(h.name), h.name

-- name: load
SELECT load::text, extract(epoch FROM clock_timestamp() - load_at)::float8 AS age_s FROM clusters WHERE name = $1
