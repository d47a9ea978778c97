-- name: days
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes, c.reltuples::bigint AS turns,
  EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = c.relname || '_sealed') AS sealed
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'journal'::regclass AND c.relname ~ '^journal_[0-9]{8}$' ORDER BY c.relname

-- name: uncovered
-- Jumps from actor to actor by the primary key: it costs by the actors of the day, not by its turns.
WITH RECURSIVE seen AS (
  (SELECT actor FROM {part} WHERE actor > $1 ORDER BY actor LIMIT 1)
  UNION ALL
  SELECT n.actor FROM seen
    CROSS JOIN LATERAL (SELECT p.actor FROM {part} p WHERE p.actor > seen.actor ORDER BY p.actor LIMIT 1) n
)
SELECT seen.actor FROM seen
WHERE coalesce((SELECT s.seq FROM snapshots s WHERE s.actor = seen.actor), 0)
  < (SELECT p.seq FROM {part} p WHERE p.actor = seen.actor ORDER BY p.seq DESC LIMIT 1)
LIMIT $2

-- name: uncovered_other
SELECT o.actor
FROM (SELECT actor, max(seq) AS seq FROM journal_other WHERE day < $3 AND actor > $1 GROUP BY actor) o
WHERE NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.actor = o.actor AND s.seq >= o.seq)
ORDER BY o.actor LIMIT $2

-- name: save_replayed
INSERT INTO snapshots (actor, seq, at, schema, body)
SELECT s.actor, s.seq, clock_timestamp(), $4, s.body
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS s (actor, seq, body) ORDER BY s.actor
ON CONFLICT (actor) DO UPDATE SET seq = excluded.seq, at = excluded.at, schema = excluded.schema, body = excluded.body
  WHERE excluded.seq > snapshots.seq

-- name: oldest_waiting
WITH RECURSIVE oldest AS (
  (SELECT shard, {time} AS at FROM {table} ORDER BY shard, {time} LIMIT 1)
  UNION ALL
  SELECT n.shard, n.at FROM oldest
    CROSS JOIN LATERAL (
      SELECT t.shard, t.{time} AS at FROM {table} t WHERE t.shard > oldest.shard ORDER BY t.shard, t.{time} LIMIT 1) n
)
SELECT min(at) FROM oldest

-- name: flushed
SELECT min(flushed_at) FROM hosts h
WHERE h.state <> 'dead' OR EXISTS (SELECT 1 FROM shards WHERE shards.epoch = h.epoch)

-- name: sealed_before
SELECT before FROM journal_seal

-- name: seal_part
ALTER TABLE {part} ADD CONSTRAINT {part}_sealed CHECK (false) NOT VALID

-- name: seal_other
ALTER TABLE journal_other DROP CONSTRAINT IF EXISTS journal_other_sealed,
  ADD CONSTRAINT journal_other_sealed CHECK (day >= '{before}') NOT VALID

-- name: raise_seal
UPDATE journal_seal SET before = $1 WHERE before < $1

-- name: sweep_other
DELETE FROM journal_other WHERE ctid = ANY(ARRAY(SELECT ctid FROM journal_other WHERE day < $1 LIMIT $2))

-- name: other_before
SELECT count(*) FROM journal_other WHERE day < $1

-- name: leftovers
SELECT c.relname FROM pg_class c
WHERE c.relname ~ '^(journal_[0-9]{8}|npc_memories_[0-9]{6})_dropped$' AND c.relkind = 'r' AND NOT c.relispartition
  AND pg_table_is_visible(c.oid) ORDER BY c.relname
