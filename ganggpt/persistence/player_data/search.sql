-- name: arguments
-- Precedes each of the statements below, which are named after the tables they search. They return ``key``, whether the
-- row is surely the player's (``theirs``), and the content to examine: the row as JSON (``text``) or its ``body``.
WITH w AS (SELECT $1::text AS player, $2::bytea[] AS bytes, $3::uuid AS id, $4::text[] AS patterns,
  $5::text AS names)

-- name: outbox
SELECT sender || '#' || seq || '.' || n AS key, w.player IN (sender, target) AS theirs, '' AS text, body
FROM outbox t, w
WHERE w.player IN (sender, target) OR EXISTS (SELECT FROM unnest(w.bytes) b WHERE position(b IN t.body) > 0)
  OR encode(t.body, 'escape') ~ w.names

-- name: reminders
SELECT actor || '/' || name AS key, actor = w.player AS theirs, '' AS text, body
FROM reminders t, w WHERE actor = w.player OR EXISTS (SELECT FROM unnest(w.bytes) b WHERE position(b IN t.body) > 0)
  OR encode(t.body, 'escape') ~ w.names

-- name: pushes
SELECT no::text AS key, actor = w.player AS theirs, '' AS text, body
FROM pushes t, w WHERE actor = w.player OR EXISTS (SELECT FROM unnest(w.bytes) b WHERE position(b IN t.body) > 0)
  OR encode(t.body, 'escape') ~ w.names

-- name: npc_memories
SELECT t.id::text AS key, player_id IS NOT DISTINCT FROM w.id OR audience IS NOT DISTINCT FROM w.player
  OR EXISTS (SELECT FROM companions c WHERE c.player_id = w.id AND c.actor = npc_id) AS theirs,
  (to_jsonb(t) - 'embedding')::text AS text, ''::bytea AS body
FROM npc_memories t, w WHERE player_id = w.id OR audience = w.player OR content::text LIKE ANY(w.patterns)
  OR encode(convert_to(content::text, 'UTF8'), 'escape') ~ w.names
  OR EXISTS (SELECT FROM companions c WHERE c.player_id = w.id AND c.actor = npc_id)

-- name: faction_relationships
SELECT t.id::text AS key, false AS theirs, to_jsonb(t)::text AS text, ''::bytea AS body
FROM faction_relationships t, w WHERE cause LIKE ANY(w.patterns)
  OR encode(convert_to(cause, 'UTF8'), 'escape') ~ w.names

-- name: missions
SELECT t.id::text AS key, player_id IS NOT DISTINCT FROM w.id AS theirs,
  to_jsonb(t)::text AS text, ''::bytea AS body
FROM missions t, w WHERE player_id = w.id OR concat_ws(' ', title, description) LIKE ANY(w.patterns)
  OR encode(convert_to(concat_ws(' ', title, description), 'UTF8'), 'escape') ~ w.names

-- name: companions
SELECT t.id::text AS key, player_id IS NOT DISTINCT FROM w.id AS theirs,
  to_jsonb(t)::text AS text, ''::bytea AS body
FROM companions t, w WHERE player_id = w.id OR concat_ws(' ', name, memory_data) LIKE ANY(w.patterns)
  OR encode(convert_to(concat_ws(' ', name, memory_data), 'UTF8'), 'escape') ~ w.names

-- name: ai_exchanges
SELECT no::text AS key, t.player IS NOT DISTINCT FROM w.player AS theirs,
  to_jsonb(t)::text AS text, ''::bytea AS body
FROM ai_exchanges t, w WHERE t.player = w.player OR concat_ws(' ', request, answer) LIKE ANY(w.patterns)
  OR encode(convert_to(concat_ws(' ', request, answer), 'UTF8'), 'escape') ~ w.names

-- name: ai_spend
SELECT hour::text AS key, true AS theirs, to_jsonb(t)::text AS text, ''::bytea AS body
FROM ai_spend t, w WHERE kind = 'player' AND name = w.player

-- name: players
SELECT t.id::text AS key, true AS theirs, to_jsonb(t)::text AS text, ''::bytea AS body
FROM players t, w WHERE t.id = w.id OR t.actor = w.player
