-- What calls to models cost, summed by hour and payer: the record behind the counters in Redis. A call has one row for
-- the server and one for each of its payers. Money is in nano-dollars.
CREATE TABLE ai_spend (
    hour timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('server', 'player', 'npc', 'faction')),
    name text NOT NULL,                              -- an actor id; 'all' for the server
    slot text NOT NULL,
    purpose text NOT NULL,
    model text NOT NULL,
    calls bigint NOT NULL,
    tokens_in bigint NOT NULL,
    tokens_cached bigint NOT NULL,                   -- of tokens_in, what the provider had cached
    tokens_out bigint NOT NULL,
    nano_usd bigint NOT NULL,
    estimated bigint NOT NULL,                       -- calls whose tokens nobody counted
    PRIMARY KEY (kind, name, hour, slot, purpose, model)
);
CREATE INDEX ai_spend_by_hour ON ai_spend (hour);

-- What was asked of models and what they answered, to explain an utterance and to replay it.
CREATE TABLE ai_exchanges (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,                               -- the hash of the call
    request_key text NOT NULL,                       -- the hash of the request it was made for
    at timestamptz NOT NULL,
    model text NOT NULL,
    player text,                                     -- whose words may be in it; erased with the player
    request text NOT NULL,
    answer text NOT NULL,
    finish text NOT NULL,
    categories text[] NOT NULL,
    failure text NOT NULL,
    tokens_in bigint NOT NULL,
    tokens_out bigint NOT NULL,
    tokens_cached bigint NOT NULL,
    known boolean NOT NULL,
    took_ms integer NOT NULL
);
CREATE INDEX ai_exchanges_by_key ON ai_exchanges (key, no);
CREATE INDEX ai_exchanges_by_request ON ai_exchanges (request_key, no);
CREATE INDEX ai_exchanges_by_player ON ai_exchanges (player) WHERE player IS NOT NULL;
CREATE INDEX ai_exchanges_by_time ON ai_exchanges (at);

-- The switch: no row, or is_on, lets calls leave.
CREATE TABLE ai_switch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    is_on boolean NOT NULL,
    why text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
