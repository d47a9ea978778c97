-- name: source
SELECT name, extract(epoch FROM clock_timestamp())::float8 AS now_s FROM world

-- name: turns_since
SELECT actor, seq, day, at, epoch, command_id, by, name, body FROM journal
WHERE at > to_timestamp($1) AND at <= to_timestamp($2) AND day >= (to_timestamp($1) AT TIME ZONE 'UTC')::date
ORDER BY actor, seq

-- name: snapshot_numbers
SELECT actor, seq FROM snapshots

-- name: missing_turns
SELECT w.actor FROM unnest($1::text[], $2::bigint[]) w (actor, seq)
WHERE NOT EXISTS (SELECT FROM journal j WHERE j.actor = w.actor AND j.seq = w.seq)

-- name: last_turns
SELECT actor, max(seq) AS seq FROM (SELECT actor, seq FROM snapshots UNION ALL SELECT actor, seq FROM journal) t
GROUP BY actor

-- name: turns_of_commands
SELECT actor, min(seq) AS seq FROM journal WHERE command_id = ANY($1::uuid[]) AND at >= to_timestamp($2) GROUP BY actor

-- name: delete_turns
DELETE FROM journal WHERE actor = $1 AND seq >= $2

-- name: delete_reminders
DELETE FROM reminders WHERE (actor, name) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- name: delete_answered_messages
DELETE FROM outbox o WHERE EXISTS (SELECT FROM journal j WHERE j.actor = o.target AND j.command_id = o.command_id)

-- name: due_reminders
SELECT actor, name, extract(epoch FROM due)::float8 AS due_s FROM reminders WHERE due <= to_timestamp($1)

-- name: delete_fired_reminders
DELETE FROM reminders r USING unnest($1::text[], $2::text[], $3::uuid[]) f (actor, name, id)
WHERE r.actor = f.actor AND r.name = f.name
  AND EXISTS (SELECT FROM journal j WHERE j.actor = f.actor AND j.command_id = f.id)

-- name: insert_messages
INSERT INTO outbox (sender, seq, n, shard, target, command_id, name, body, at)
SELECT sender, seq, n, shard, target, id, name, body, to_timestamp(at) FROM unnest($1::text[], $2::bigint[], $3::int[],
  $4::text[], $5::text[], $6::uuid[], $7::text[], $8::bytea[], $9::float8[])
  AS o (sender, seq, n, shard, target, id, name, body, at)

-- name: insert_reminders
INSERT INTO reminders (actor, name, shard, due, command, body)
SELECT actor, name, shard, to_timestamp(due), command, body
FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::bytea[])
  AS r (actor, name, shard, due, command, body)
