-- Statements of metric_totals.py.

-- name: read
-- $1: whether the values that only the database knows are wanted. The index players_online and missions_by_status
-- answer for their tables; at most 10,000 pushes wait for each game server.
SELECT extract(epoch FROM clock_timestamp())::float8 AS now_s,
       t.version, t.body,
       CASE WHEN $1 THEN (SELECT count(*) FROM players WHERE online) END AS players,
       CASE WHEN $1 THEN (SELECT count(*) FROM pushes) END AS pushes,
       CASE WHEN $1 THEN (SELECT coalesce(jsonb_object_agg(m.status, m.missions), '{}')::text
                          FROM (SELECT status, count(*) AS missions FROM missions GROUP BY status) m) END AS missions
FROM (VALUES (1)) AS once (here) LEFT JOIN metric_totals t ON true

-- name: write
-- $1: the version it was read with, or null where there was none.
INSERT INTO metric_totals AS t (version, body) VALUES (1, $2)
ON CONFLICT (one) DO UPDATE SET version = t.version + 1, body = excluded.body WHERE t.version = $1
