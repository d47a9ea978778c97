-- name: kept
SELECT count(*) FILTER (WHERE j.n IS NULL) AS lost, count(*) FILTER (WHERE j.n > 1) AS doubled
FROM unnest($1::uuid[]) AS a (id)
  LEFT JOIN (SELECT command_id, count(*) AS n FROM journal GROUP BY command_id) j ON j.command_id = a.id

-- name: counts
SELECT (SELECT count(*) FROM journal) AS turns,
  (SELECT count(*) FROM players) AS players,
  (SELECT count(*) FROM npc_memories) AS memories,
  (SELECT count(*) FROM faction_relationships) AS relationships,
  (SELECT count(*) FROM missions) AS missions,
  (SELECT count(*) FROM companions) AS companions,
  (SELECT count(*) FROM missions WHERE status = 'completed') AS missions_completed,
  (SELECT count(*) FROM outbox) AS messages_waiting

-- name: holder
SELECT h.name, h.address FROM shards s JOIN hosts h ON h.epoch = s.epoch
WHERE s.shard = ANY($1::text[]) AND h.state <> 'dead' ORDER BY s.residence LIMIT 1

-- name: turns_by
SELECT count(*) FROM journal WHERE by = ANY($1::text[])

-- name: shards
SELECT shards FROM world

-- name: unproven
SELECT count(*) FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS a (id, actor, seq)
WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.actor = a.actor AND j.seq = a.seq AND j.command_id = a.id)

-- name: doubled
SELECT count(*) FROM (
  SELECT 1 FROM journal WHERE at >= to_timestamp($1) GROUP BY command_id HAVING count(*) > 1
) d

-- name: writers
SELECT count(*) AS turns, count(DISTINCT actor) FILTER (WHERE seq = before OR xid < xid_before) AS double_writers,
  count(DISTINCT actor) FILTER (WHERE seq > before + 1) AS holes
FROM (
  SELECT actor, seq, xmin::text::bigint AS xid, lag(xmin::text::bigint) OVER w AS xid_before,
    lag(seq, 1, CASE WHEN $1 > 0 THEN seq - 1 ELSE 0 END) OVER w AS before
  FROM journal WHERE at >= to_timestamp($1) WINDOW w AS (PARTITION BY actor ORDER BY seq)
) j

-- name: turns_of_dead
SELECT h.epoch, count(j.epoch) AS turns FROM hosts h LEFT JOIN journal j ON j.epoch = h.epoch
WHERE h.state = 'dead' GROUP BY h.epoch ORDER BY h.epoch

-- name: processes
SELECT name, kind, epoch, address FROM hosts WHERE state <> 'dead' ORDER BY name

-- name: turns_upto
SELECT seq, body FROM journal WHERE actor = $1 AND seq <= $2 ORDER BY seq DESC LIMIT $3
