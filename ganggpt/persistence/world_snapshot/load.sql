-- name: lock
SELECT pg_advisory_xact_lock(7022007)

-- name: contents
SELECT (SELECT name FROM world) AS world,
  (SELECT string_agg(name, ', ' ORDER BY name) FROM hosts
     WHERE state <> 'dead' AND seen_at > clock_timestamp() - make_interval(secs => $1)) AS alive,
  EXISTS (SELECT FROM journal) OR EXISTS (SELECT FROM snapshots) OR EXISTS (SELECT FROM outbox)
    OR EXISTS (SELECT FROM reminders) OR EXISTS (SELECT FROM players) OR EXISTS (SELECT FROM npc_memories)
    OR EXISTS (SELECT FROM missions) OR EXISTS (SELECT FROM companions) AS has_rows

-- name: foreign_tables
SELECT string_agg(relname, ', ' ORDER BY relname) FROM (
  SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
  ORDER BY relname LIMIT 5) t

-- name: foreign_keys
SELECT conrelid::regclass::text AS table, conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND conparentid = 0
  AND conrelid::regclass::text = ANY($1::text[])

-- name: indexes
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid::regclass::text = ANY($1::text[]) AND NOT c.relispartition AND NOT i.indisunique

-- name: insert_predecessor
-- A dead host that had flushed up to the cut: who takes the shards over catches up from there, as after any crash.
WITH before AS (
  INSERT INTO hosts (name, kind, state, address, flushed_at)
  VALUES ('snapshot', 'own', 'dead', $1, coalesce(to_timestamp($2), clock_timestamp())) RETURNING epoch
)
UPDATE shards SET epoch = before.epoch FROM before

-- name: set_sequences
SELECT setval('host_epoch', greatest($1, (SELECT max(epoch) FROM journal), 1)), setval('pushes_no_seq', greatest($2, 1))

-- name: rename
UPDATE world SET name = $1, sheet = $2
