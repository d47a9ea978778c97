-- name: after
-- Sealed days get no turns any more (see retention), so whoever waits for new ones never looks there.
SELECT w.place, j.seq, j.body
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS w (actor, seq, place)
  CROSS JOIN LATERAL (
    SELECT seq, body FROM journal
    WHERE actor = w.actor AND seq > w.seq AND day >= (SELECT before FROM journal_seal)
    ORDER BY seq LIMIT $3
  ) j
ORDER BY w.place, j.seq

-- name: since
SELECT seq, body FROM journal WHERE actor = $1 AND seq >= $2 ORDER BY seq LIMIT $3

-- name: causes
SELECT seq, by, name FROM journal WHERE actor = $1 AND seq = ANY($2::bigint[])

-- name: is_rewritten
SELECT EXISTS (SELECT FROM journal WHERE actor = $1 AND seq > $2 AND name = 'ForgetPlayer')

-- name: snapshot
SELECT seq, body FROM snapshots WHERE actor = $1
