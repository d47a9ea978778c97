-- name: world
SELECT w.name, w.title, w.shards, extract(epoch FROM clock_timestamp())::float8 AS now_s,
  (SELECT version_num FROM alembic_version) AS schema, pg_is_in_recovery() AS standby,
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM host_epoch) AS epoch,
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM pushes_no_seq) AS push_no,
  (SELECT extract(epoch FROM min(flushed_at))::float8 FROM hosts h
     WHERE state <> 'dead' OR EXISTS (SELECT FROM shards s WHERE s.epoch = h.epoch)) AS flushed_s
FROM world w

-- name: parts
SELECT c.relname AS name, pg_relation_size(c.oid) / current_setting('block_size')::int AS blocks
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass ORDER BY c.relname

-- name: keep_parts
LOCK TABLE journal, npc_memories IN ACCESS SHARE MODE

-- name: days
-- Without the sealed days: every turn in those is covered, and too old to be asked for (see ``retention``).
SELECT p.* FROM (
SELECT c.relname AS name, pg_relation_size(c.oid) / current_setting('block_size')::int AS blocks
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass ORDER BY c.relname
) p, journal_seal
WHERE p.name >= 'journal_' || coalesce(to_char(nullif(before, '-infinity'), 'YYYYMMDD'), '') ORDER BY p.name

-- name: session
SELECT pid, extract(epoch FROM backend_start)::float8 AS began_s FROM pg_stat_activity WHERE pid = pg_backend_pid()

-- name: blocks
SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::int

-- name: columns_of
SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''

-- name: actors_with_snapshots
SELECT actor FROM snapshots

-- name: own_shards
SELECT shard FROM shards WHERE residence = 'own'

-- name: to_read
-- The last turn of each actor by skipping through the index from actor to actor: the cost is that of the actors of a
-- day, not of its turns. What a snapshot row covers is left out, but for turns a repeated command may still ask for.
WITH RECURSIVE last AS (
  (SELECT actor, seq FROM {part} ORDER BY actor DESC, seq DESC LIMIT 1)
  UNION ALL
  SELECT n.actor, n.seq FROM last
    CROSS JOIN LATERAL (SELECT actor, seq FROM {part} WHERE actor < last.actor ORDER BY actor DESC, seq DESC LIMIT 1) n
), young AS (
  SELECT actor, min(seq) - 1 AS after FROM {part} WHERE at >= to_timestamp($1) GROUP BY actor
)
SELECT l.actor, least(coalesce(s.seq, 0), y.after) AS after
FROM last l LEFT JOIN snapshots s USING (actor) LEFT JOIN young y USING (actor)
WHERE l.seq > least(coalesce(s.seq, 0), y.after)

-- name: snapshots
SELECT {columns} FROM unnest($1::text[]) w (id) JOIN snapshots t ON t.actor = w.id

-- name: turns
SELECT {columns} FROM unnest($1::text[], $2::bigint[]) w (id, after)
  CROSS JOIN LATERAL (SELECT * FROM {part} j WHERE j.actor = w.id AND j.seq > w.after) t

-- name: messages
-- A letter its receiver has applied only waits to be settled: the cut takes it as settled.
SELECT {columns} FROM outbox t WHERE t.shard = ANY($1::text[]) AND NOT EXISTS (
  SELECT FROM journal j WHERE j.actor = t.target AND j.command_id = t.command_id
    AND j.day >= (t.at AT TIME ZONE 'UTC')::date - 1)

-- name: reminders
SELECT {columns} FROM reminders t WHERE t.shard = ANY($1::text[])
  AND (t.actor, t.name) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))

-- name: due_reminders
SELECT actor, name, extract(epoch FROM due)::float8 AS due_s FROM reminders WHERE due <= clock_timestamp()

-- name: fired_reminders
SELECT f.actor, f.name FROM unnest($1::text[], $2::text[], $3::uuid[], $4::float8[]) f (actor, name, id, due_s)
WHERE EXISTS (SELECT FROM journal j WHERE j.actor = f.actor AND j.command_id = f.id
  AND j.day >= (to_timestamp(f.due_s) AT TIME ZONE 'UTC')::date - 1)
