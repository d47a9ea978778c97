-- name: surplus_memories
-- An anti-join, because a generic plan compares an array element by element.
SELECT DISTINCT npc_id FROM npc_memories m WHERE npc_id IN (SELECT unnest($1::text[])) AND terms IS NULL
  AND NOT EXISTS (SELECT FROM unnest($2::uuid[]) k (id) WHERE k.id = m.id)

-- name: players
-- A name or an address that another player held got a form of its own; an address that was not given was kept.
SELECT g.id FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::float8[],
  $8::text[], $9::bool[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[])
  AS g (id, username, email, created_s, login_s, tier, played_s, actor, online, server, cash, standing, missions,
    district)
  LEFT JOIN players p ON p.id = g.id
WHERE p.id IS NULL
  OR p.username NOT IN (g.username, left(g.username, 41) || '~' || left(g.id::text, 8))
  OR p.email NOT IN (coalesce(g.email, p.email), g.id || '@players.invalid')
  OR (p.created_at, p.last_login, p.subscription_tier, p.total_playtime, p.actor, p.online, p.server, p.cash,
      p.standing, p.active_missions, p.district)
    IS DISTINCT FROM (to_timestamp(created_s), to_timestamp(login_s), tier, make_interval(secs => played_s), g.actor,
      g.online, g.server, g.cash, g.standing::jsonb, ARRAY(SELECT jsonb_array_elements_text(missions::jsonb)), g.district)
