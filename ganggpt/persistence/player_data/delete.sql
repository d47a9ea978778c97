-- name: arguments
-- Precedes each of the statements below, which are named after their tables. The next flush of companions
-- of others rewrites their rows.
WITH w AS (SELECT $1::text[] AS keys, $2::text AS player, $3::uuid AS id)

-- name: outbox
DELETE FROM outbox USING w WHERE sender || '#' || seq || '.' || n = ANY(w.keys)

-- name: reminders
DELETE FROM reminders USING w WHERE actor || '/' || name = ANY(w.keys)

-- name: pushes
DELETE FROM pushes USING w WHERE no = ANY(w.keys::bigint[])

-- name: npc_memories
DELETE FROM npc_memories t USING w WHERE t.id = ANY(w.keys::uuid[])

-- name: faction_relationships
UPDATE faction_relationships t SET cause = NULL FROM w WHERE t.id = ANY(w.keys::uuid[])

-- name: companions
DELETE FROM companions t USING w WHERE t.id = ANY(w.keys::uuid[]) AND t.player_id = w.id

-- name: ai_exchanges
DELETE FROM ai_exchanges USING w WHERE no = ANY(w.keys::bigint[])

-- name: ai_spend
DELETE FROM ai_spend USING w WHERE kind = 'player' AND name = w.player

-- name: players
DELETE FROM players t USING w WHERE t.id = ANY(w.keys::uuid[])
