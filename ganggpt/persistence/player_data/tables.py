"""The tables of ``ports.player_data.TABLES``: how to search them for a player, and how rows are deleted.

All statements of a kind take the same arguments, named in the row ``w``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SOUGHT: Final = """
WITH w AS (SELECT $1::text AS player, $2::bytea[] AS bytes, $3::uuid AS id, $4::text[] AS patterns)
"""
SEARCH: Final[Mapping[str, str]] = {
    "outbox": """
SELECT sender || '#' || seq || '.' || n AS key, w.player IN (sender, target) AS theirs, '' AS text, body
FROM outbox t, w
WHERE w.player IN (sender, target) OR EXISTS (SELECT FROM unnest(w.bytes) b WHERE position(b IN t.body) > 0)
""",
    "reminders": """
SELECT actor || '/' || name AS key, actor = w.player AS theirs, '' AS text, body
FROM reminders t, w WHERE actor = w.player OR EXISTS (SELECT FROM unnest(w.bytes) b WHERE position(b IN t.body) > 0)
""",
    "pushes": """
SELECT no::text AS key, actor = w.player AS theirs, '' AS text, body
FROM pushes t, w WHERE actor = w.player OR EXISTS (SELECT FROM unnest(w.bytes) b WHERE position(b IN t.body) > 0)
""",
    "npc_memories": """
SELECT t.id::text AS key, player_id IS NOT DISTINCT FROM w.id OR audience IS NOT DISTINCT FROM w.player
  OR EXISTS (SELECT FROM companions c WHERE c.player_id = w.id AND c.actor = npc_id) AS theirs,
  (to_jsonb(t) - 'embedding')::text AS text, ''::bytea AS body
FROM npc_memories t, w WHERE player_id = w.id OR audience = w.player OR content::text LIKE ANY(w.patterns)
  OR EXISTS (SELECT FROM companions c WHERE c.player_id = w.id AND c.actor = npc_id)
""",
    "faction_relationships": """
SELECT t.id::text AS key, false AS theirs, to_jsonb(t)::text AS text, ''::bytea AS body
FROM faction_relationships t, w WHERE cause LIKE ANY(w.patterns)
""",
    "missions": """
SELECT t.id::text AS key, player_id IS NOT DISTINCT FROM w.id AS theirs,
  to_jsonb(t)::text AS text, ''::bytea AS body
FROM missions t, w WHERE player_id = w.id OR concat_ws(' ', title, description) LIKE ANY(w.patterns)
""",
    "companions": """
SELECT t.id::text AS key, player_id IS NOT DISTINCT FROM w.id AS theirs,
  to_jsonb(t)::text AS text, ''::bytea AS body
FROM companions t, w WHERE player_id = w.id OR concat_ws(' ', name, memory_data) LIKE ANY(w.patterns)
""",
    "ai_exchanges": """
SELECT no::text AS key, t.player IS NOT DISTINCT FROM w.player AS theirs,
  to_jsonb(t)::text AS text, ''::bytea AS body
FROM ai_exchanges t, w WHERE t.player = w.player OR concat_ws(' ', request, answer) LIKE ANY(w.patterns)
""",
    "ai_spend": """
SELECT hour::text AS key, true AS theirs, to_jsonb(t)::text AS text, ''::bytea AS body
FROM ai_spend t, w WHERE kind = 'player' AND name = w.player
""",
    "players": """
SELECT t.id::text AS key, true AS theirs, to_jsonb(t)::text AS text, ''::bytea AS body
FROM players t, w WHERE t.id = w.id OR t.actor = w.player
""",
}
"""Where a player may be found, by table: ``key``, whether the row is surely ``theirs``, and to look at the row as JSON
(``text``) or its ``body``."""

GOING: Final = """
WITH w AS (SELECT $1::text[] AS keys, $2::text AS player, $3::uuid AS id, $4::text AS names, $5::text AS somebody)
"""
CLEAN: Final[Mapping[str, str]] = {
    "outbox": "DELETE FROM outbox USING w WHERE sender || '#' || seq || '.' || n = ANY(w.keys)",
    "reminders": "DELETE FROM reminders USING w WHERE actor || '/' || name = ANY(w.keys)",
    "pushes": "DELETE FROM pushes USING w WHERE no = ANY(w.keys::bigint[])",
    "npc_memories": "DELETE FROM npc_memories t USING w WHERE t.id = ANY(w.keys::uuid[])",
    "faction_relationships": "UPDATE faction_relationships t SET cause = NULL FROM w WHERE t.id = ANY(w.keys::uuid[])",
    "missions": """UPDATE missions t SET title = regexp_replace(title, w.names, w.somebody, 'g'),
        description = regexp_replace(description, w.names, w.somebody, 'g') FROM w WHERE t.id = ANY(w.keys::uuid[])""",
    "companions": "DELETE FROM companions t USING w WHERE t.id = ANY(w.keys::uuid[]) AND t.player_id = w.id",
    "ai_exchanges": "DELETE FROM ai_exchanges USING w WHERE no = ANY(w.keys::bigint[])",
    "ai_spend": "DELETE FROM ai_spend USING w WHERE kind = 'player' AND name = w.player",
    "players": "DELETE FROM players t USING w WHERE t.id = ANY(w.keys::uuid[])",
}
"""How rows of those go. Missions of others only lose the name; companions of others are shown anew by their flush."""
