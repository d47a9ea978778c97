-- What a mind has no room for any more goes to the tail: the same row, no longer held by the mind, found by its words.
ALTER TABLE npc_memories
    ADD COLUMN terms tsvector,                         -- in the tail: whose it is (@npc), its words, and names with a letter less (~)
    ADD COLUMN audience text,                          -- in the tail: the one actor who may hear of it; null: everybody
    ADD COLUMN embedding real[],                       -- in the tail: its meaning, where a model gave it one
    ADD COLUMN embedding_model text;

-- One index answers "of this NPC, with one of these words" by itself. Written in one go: a list of pending entries would
-- have to be read by every search.
CREATE INDEX npc_memories_terms ON npc_memories USING gin (terms) WITH (fastupdate = off);
-- The tail of an NPC by what is lost next, for its bound; and for those with a meaning, which are compared one by one.
CREATE INDEX npc_memories_tail ON npc_memories (npc_id, expires_at) WHERE terms IS NOT NULL;
CREATE INDEX npc_memories_meaning ON npc_memories (npc_id) WHERE embedding IS NOT NULL;

-- Used where it is there: without it the tail is found by words alone. real[] casts to its vector, so the rows are the
-- same in both worlds and a snapshot of one can be restored into the other.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        CREATE EXTENSION IF NOT EXISTS vector;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'the extension vector is there, but this user may not create it';
END
$$;
