"""What lists of the world are read from. NPCs that lived before have their rows made from what is stored of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from alembic import op
from sqlalchemy import text

from ganggpt.persistence.migrations import run_sql

revision = "0007"
down_revision = "0006"

_AT_ONCE = 1000
_CAST = text("SELECT actor, body FROM cast_members WHERE kind = 'npc' AND actor > :after ORDER BY actor LIMIT :most")
_ASLEEP = text(
    "SELECT actor, body FROM snapshots WHERE actor LIKE 'npc:%' AND actor > :after ORDER BY actor LIMIT :most"
)
_INSERT = text(
    "INSERT INTO npcs (id, actor, name, role, district, faction, created_at) "
    "VALUES (:id, :actor, :name, :role, :district, :faction, to_timestamp(CAST(:born_s AS float8))) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, district = excluded.district, "
    "faction = excluded.faction, created_at = excluded.created_at"
)


def upgrade() -> None:
    """Run the .sql file beside this one, then fill ``npcs``: the cast of the world files, and who has a snapshot."""
    run_sql(__file__)
    for rows in _pages(_CAST):
        op.get_bind().execute(_INSERT, [_row(actor, msgspec.msgpack.decode(body), None) for actor, body in rows])
    for rows in _pages(_ASLEEP):
        states = [(actor, msgspec.msgpack.decode(body)[1]) for actor, body in rows]
        op.get_bind().execute(_INSERT, [_row(actor, state[0], state[1]) for actor, state in states])


def _pages(query: Any) -> Iterator[list[tuple[str, bytes]]]:
    after = ""
    while rows := [(actor, body) for actor, body in op.get_bind().execute(query, {"after": after, "most": _AT_ONCE})]:
        yield rows
        after = rows[-1][0]


def _row(actor: str, sheet: dict[str, Any], born_s: float | None) -> dict[str, Any]:
    return {
        "id": actor.removeprefix("npc:"),
        "actor": actor,
        "name": sheet["name"][:100],
        "role": sheet["role"][:100],
        "district": sheet["home"],
        "faction": sheet["faction"],
        "born_s": born_s,
    }
