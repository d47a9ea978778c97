-- name: lock_live_host
SELECT 1 FROM hosts WHERE epoch = $1 AND state <> 'dead' FOR SHARE

-- name: keep
INSERT INTO npc_memories (id, npc_id, player_id, memory_type, content, emotional_weight, created_at, expires_at, terms,
  audience, embedding, embedding_model)
SELECT id, npc_id, player_id, memory_type, content::jsonb, weight, to_timestamp(created_s), to_timestamp(expires_s),
  array_to_tsvector(string_to_array(words, ' ')), audience, string_to_array(sides, ' ')::real[], model
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::float8[],
  $9::text[], $10::text[], $11::text[], $12::text[])
  AS g (id, npc_id, player_id, memory_type, content, weight, created_s, expires_s, words, audience, sides, model)
ON CONFLICT (id, created_at) DO UPDATE SET player_id = excluded.player_id, memory_type = excluded.memory_type,
  content = excluded.content, emotional_weight = excluded.emotional_weight, expires_at = excluded.expires_at,
  terms = excluded.terms, audience = excluded.audience, embedding = excluded.embedding,
  embedding_model = excluded.embedding_model

-- name: delete_returned
DELETE FROM npc_memories WHERE id = ANY($1::uuid[]) AND terms IS NOT NULL

-- name: trim
DELETE FROM npc_memories m USING (
  SELECT id, created_at FROM npc_memories WHERE npc_id = $1 AND terms IS NOT NULL
  ORDER BY expires_at DESC NULLS FIRST OFFSET $2) d
WHERE m.id = d.id AND m.created_at = d.created_at

-- name: search_by_words
-- Every word of the question is a concept with forms that may stand for it. What a memory counts is the rarity of the
-- concepts it has, by how many memories of this NPC have them: the same relevance as in the mind, but for the length.
WITH hits AS MATERIALIZED (
  SELECT id, created_at, terms, emotional_weight AS weight, player_id FROM npc_memories
  WHERE terms @@ $1::tsquery AND (expires_at IS NULL OR expires_at > to_timestamp($2::float8))
    AND (audience IS NULL OR audience = $3)
), forms AS MATERIALIZED (
  SELECT concept, form::tsquery AS form, share FROM unnest($4::int[], $5::text[], $6::float8[]) f (concept, form, share)
), fits AS MATERIALIZED (
  SELECT h.id, f.concept, max(f.share) AS share FROM hits h JOIN forms f ON h.terms @@ f.form GROUP BY h.id, f.concept
), rare AS (
  SELECT concept, ln(1 + (greatest($7::float8, count(*)) - count(*) + 0.5) / (count(*) + 0.5)) AS worth FROM fits
  GROUP BY concept
), known AS (
  SELECT sum(worth) + $8::float8 * ($9::int - count(*)) AS top FROM rare
), fitting AS (
  SELECT id, sum(share * worth) / (SELECT top FROM known) AS relevance FROM fits JOIN rare USING (concept) GROUP BY id
), best AS (
  SELECT h.id, h.created_at, f.relevance FROM hits h JOIN fitting f USING (id)
  ORDER BY 0.7 * f.relevance + 0.1 * h.weight / 100.0
    + 0.1 * 259200 / (259200 + greatest(0, $2::float8 - extract(epoch FROM h.created_at)::float8))
    + CASE WHEN h.player_id = $10::uuid THEN 0.07 ELSE 0 END DESC, h.id
  LIMIT $11
)
SELECT m.memory_type, m.content, m.emotional_weight, extract(epoch FROM m.created_at)::float8 AS created_s,
  best.relevance::float8 AS relevance, m.embedding, m.embedding_model
FROM best JOIN npc_memories m ON m.id = best.id AND m.created_at = best.created_at

-- name: search_by_embedding
-- The meaning is compared with that of every memory of this one NPC: at most TAIL_MAX, found by its own index.
SELECT memory_type, content, emotional_weight, extract(epoch FROM created_at)::float8 AS created_s,
  embedding, embedding_model
FROM npc_memories
WHERE npc_id = $1 AND embedding IS NOT NULL AND embedding_model = $5 AND terms IS NOT NULL
  AND (expires_at IS NULL OR expires_at > to_timestamp($2::float8)) AND (audience IS NULL OR audience = $3)
  AND array_length(embedding, 1) = $7
ORDER BY embedding::vector <=> $4::real[]::vector, id LIMIT $6

-- name: has_vectors
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')
