-- name: add
INSERT INTO ai_spend AS s
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
ON CONFLICT (kind, name, hour, slot, purpose, model) DO UPDATE SET
  calls = s.calls + excluded.calls, tokens_in = s.tokens_in + excluded.tokens_in,
  tokens_cached = s.tokens_cached + excluded.tokens_cached, tokens_out = s.tokens_out + excluded.tokens_out,
  nano_usd = s.nano_usd + excluded.nano_usd, estimated = s.estimated + excluded.estimated

-- name: sum
SELECT coalesce(sum(nano_usd), 0)::bigint AS nano_usd, coalesce(sum(tokens_in + tokens_out), 0)::bigint AS tokens,
  coalesce(sum(calls), 0)::bigint AS calls
FROM ai_spend WHERE kind = $1 AND name = $2 AND hour >= $3 AND hour < $4

-- name: report
SELECT {by} AS name, sum(calls)::bigint AS calls, sum(tokens_in)::bigint AS tokens_in,
  sum(tokens_cached)::bigint AS tokens_cached, sum(tokens_out)::bigint AS tokens_out, sum(nano_usd)::bigint AS nano_usd,
  sum(estimated)::bigint AS estimated
FROM ai_spend WHERE kind = $1 AND hour >= clock_timestamp() - make_interval(hours => $2)
GROUP BY 1 ORDER BY nano_usd DESC, tokens_out DESC, name LIMIT $3

-- name: sweep
DELETE FROM ai_spend WHERE hour < clock_timestamp() - make_interval(days => $1)

-- name: read_switch
SELECT is_on, why, changed_at FROM ai_switch

-- name: set_switch
INSERT INTO ai_switch (is_on, why) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET is_on = excluded.is_on, why = excluded.why, changed_at = clock_timestamp()
