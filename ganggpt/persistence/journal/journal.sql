-- name: append
-- The hot statement: turns only. Index: the primary key (actor, seq, day).
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), turns AS (
  INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
  SELECT t.actor, t.seq, (to_timestamp(t.at) AT TIME ZONE 'UTC')::date, to_timestamp(t.at), $1,
    t.id, t.by, t.name, t.body
  FROM unnest($2::text[], $3::bigint[], $4::float8[], $5::uuid[], $6::text[], $7::text[], $8::bytea[])
    AS t (actor, seq, at, id, by, name, body), live
  RETURNING 1
)
SELECT count(*) FROM turns

-- name: append_with_effects
-- Turns with everything that leaves with them: letters, reminders, pushes; one commit for all.
WITH live AS MATERIALIZED (
  SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE
), turns AS (
  INSERT INTO journal (actor, seq, day, at, epoch, command_id, by, name, body)
  SELECT t.actor, t.seq, (to_timestamp(t.at) AT TIME ZONE 'UTC')::date, to_timestamp(t.at), $1,
    t.id, t.by, t.name, t.body
  FROM unnest($2::text[], $3::bigint[], $4::float8[], $5::uuid[], $6::text[], $7::text[], $8::bytea[])
    AS t (actor, seq, at, id, by, name, body), live
  RETURNING 1
), letters AS (
  INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
  SELECT o.sender, o.seq, o.n, o.shard, o.target, o.id, o.name, o.body, to_timestamp(o.at)
  FROM unnest($9::text[], $10::bigint[], $11::int[], $12::text[], $13::text[], $14::uuid[], $15::text[], $16::bytea[],
    $17::float8[]) AS o (sender, seq, n, shard, target, id, name, body, at), live
), armed AS (
  INSERT INTO reminders (actor, name, shard, due, command, body)
  SELECT r.actor, r.name, r.shard, to_timestamp(r.due), r.command, r.body
  FROM unnest($18::text[], $19::text[], $20::text[], $21::float8[], $22::text[], $23::bytea[])
    AS r (actor, name, shard, due, command, body), live
  ON CONFLICT (actor, name) DO UPDATE
    SET shard = excluded.shard, due = excluded.due, command = excluded.command, body = excluded.body
), forgotten AS (
  DELETE FROM reminders USING unnest($24::text[], $25::text[]) AS f (actor, name), live
  WHERE reminders.actor = f.actor AND reminders.name = f.name
), news AS (
  INSERT INTO pushes (server, epoch, actor, seq, n, type, body, at)
  SELECT s.name, $1, p.actor, p.seq, p.n, p.type, p.body, to_timestamp(p.at)
  FROM unnest($26::text[], $27::text[], $28::bigint[], $29::int[], $30::text[], $31::bytea[], $32::float8[])
    WITH ORDINALITY AS p (server, actor, seq, n, type, body, at, o)
    JOIN game_servers s ON p.server IN (s.name, '*'), live
  ORDER BY p.o
  RETURNING no, server, actor, seq, type, body
)
SELECT (SELECT count(*) FROM turns) AS turns, news.* FROM (VALUES (1)) one LEFT JOIN news ON true

-- name: load
-- One statement, so that one moment is read: between two, a snapshot could come and the turns it covers go. Sealed days
-- are left out by their bounds (see retention), so a wake costs the same however many days are kept.
WITH kept AS MATERIALIZED (SELECT actor, seq, body FROM snapshots WHERE actor = ANY($1::text[]))
SELECT actor, seq, NULL::uuid AS command_id, body FROM kept
UNION ALL
SELECT j.actor, j.seq, j.command_id, j.body
FROM unnest($1::text[]) AS w (actor) LEFT JOIN kept ON kept.actor = w.actor
  CROSS JOIN LATERAL (
    SELECT actor, seq, command_id, body FROM journal
    WHERE actor = w.actor AND seq > coalesce(kept.seq, 0) AND day >= (SELECT before FROM journal_seal)
    ORDER BY seq
  ) j

-- name: turn
SELECT body FROM journal WHERE actor = $1 AND seq = $2

-- name: turn_by_command
SELECT body FROM journal WHERE actor = $1 AND command_id = $2 LIMIT 1

-- name: is_owed
SELECT EXISTS (SELECT 1 FROM outbox WHERE sender = $1 AND target = $2 AND command_id = $3)
  OR EXISTS (
    SELECT 1 FROM reminders WHERE actor = $2 AND $1 = $2
      AND due BETWEEN to_timestamp($4) - interval '1 ms' AND to_timestamp($4) + interval '2 ms')

-- name: save_snapshots
WITH live AS MATERIALIZED (SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE)
INSERT INTO snapshots (actor, seq, at, schema, body)
SELECT s.actor, s.seq, clock_timestamp(), $5, s.body
FROM unnest($2::text[], $3::bigint[], $4::bytea[]) AS s (actor, seq, body), live
ON CONFLICT (actor) DO UPDATE SET seq = excluded.seq, at = excluded.at, schema = excluded.schema, body = excluded.body
  WHERE excluded.seq >= snapshots.seq

-- name: messages
SELECT sender, seq, n, target, command_id, name, body FROM outbox
WHERE shard = ANY($1::text[]) AND at < clock_timestamp() - make_interval(secs => $2)
ORDER BY sender, seq, n LIMIT $3

-- name: settle
DELETE FROM outbox USING unnest($1::text[], $2::bigint[], $3::int[]) AS d (sender, seq, n)
WHERE outbox.sender = d.sender AND outbox.seq = d.seq AND outbox.n = d.n

-- name: due
SELECT actor, name, extract(epoch FROM due)::float8 AS due, command, body FROM reminders
WHERE shard = ANY($1::text[]) AND due <= to_timestamp($2) ORDER BY due LIMIT $3

-- name: drop_reminder
DELETE FROM reminders WHERE actor = $1 AND name = $2 AND due <= to_timestamp($3) + interval '1 ms'
