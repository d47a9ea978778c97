-- name: save
INSERT INTO ai_exchanges (key, request_key, at, model, player, request, answer, finish, categories, failure, tokens_in, tokens_out, tokens_cached, known, took_ms)
SELECT key, request_key, at, model, player, request, answer, finish, string_to_array(categories, ' '), failure,
  tokens_in, tokens_out, tokens_cached, known, took_ms
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[], $15::integer[])
  AS e (key, request_key, at, model, player, request, answer, finish, categories, failure,
    tokens_in, tokens_out, tokens_cached, known, took_ms)

-- name: find
SELECT key, request_key, at, model, player, request, answer, finish, categories, failure, tokens_in, tokens_out, tokens_cached, known, took_ms FROM ai_exchanges WHERE key = $1 ORDER BY no DESC LIMIT 1

-- name: of_request
SELECT key, request_key, at, model, player, request, answer, finish, categories, failure, tokens_in, tokens_out, tokens_cached, known, took_ms FROM ai_exchanges WHERE request_key = $1 ORDER BY no DESC LIMIT $2

-- name: erase
DELETE FROM ai_exchanges WHERE player = $1

-- name: sweep
DELETE FROM ai_exchanges WHERE no = ANY(ARRAY(
  SELECT no FROM ai_exchanges WHERE at < clock_timestamp() - make_interval(days => $1) ORDER BY at LIMIT $2))
