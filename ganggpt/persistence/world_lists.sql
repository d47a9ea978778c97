-- name: npcs
SELECT actor, name, role, district, faction, retired FROM npcs WHERE {conditions} ORDER BY actor LIMIT {limit}

-- name: players
-- A row that others only refer to is of nobody who joined.
SELECT actor, username, online, server, district, cash, extract(epoch FROM total_playtime)::float8 AS playtime_s,
  extract(epoch FROM last_login)::float8 AS last_login_s
FROM players WHERE {conditions} AND username <> 'player-' || id ORDER BY actor LIMIT {limit}

-- name: missions
SELECT m.actor, m.title, m.status, m.giver, p.actor AS player, m.payer, m.difficulty, m.reward_pool,
  extract(epoch FROM m.created_at)::float8 AS offered_s, extract(epoch FROM m.expires_at)::float8 AS due_s
FROM missions m LEFT JOIN players p ON p.id = m.player_id
WHERE m.actor IS NOT NULL AND {conditions} ORDER BY m.created_at DESC, m.actor DESC LIMIT {limit}

-- name: companions
SELECT c.actor, c.name, c.companion_type, p.actor AS owner, c.memory_data ->> 'gone' AS gone, c.loyalty_level,
  c.experience_points
FROM companions c LEFT JOIN players p ON p.id = c.player_id WHERE {conditions} ORDER BY c.actor LIMIT {limit}

-- name: world
SELECT sheet FROM world

-- name: territories
SELECT id, territories FROM factions
