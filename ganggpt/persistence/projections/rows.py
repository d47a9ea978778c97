"""Computes the rows of the user's tables from the state they show and the state now.

A row is computed whole and written only where it differs, so writing it twice changes nothing, and the tables can be
rebuilt from the journal. Ids are derived, so every process gives a row the same id.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from ganggpt.domain.companion.state import Companion
from ganggpt.domain.faction.state import Faction
from ganggpt.domain.ids import kind_of, name_of
from ganggpt.domain.mind.affect import standing_label
from ganggpt.domain.mind.memory_record import Memory, forgotten_s
from ganggpt.domain.mission.state import Mission, objectives, reward_of
from ganggpt.domain.npc.state import Npc
from ganggpt.domain.player.state import Player
from ganggpt.domain.world import NpcSheet, World

_NAMESPACE: Final = uuid.UUID("6e1c54b1-6a55-5d7e-9f0b-6f5d1a3c2205")
_encode_json: Final = msgspec.json.Encoder(order="deterministic").encode


class PlayerRow(NamedTuple):
    """A row of ``players``. ``email`` None keeps the address in the table."""

    id: uuid.UUID
    username: str
    email: str | None
    created_s: float
    last_login_s: float | None
    tier: str
    playtime_s: float
    actor: str
    online: bool
    server: str | None
    cash: int
    standing: str
    active_missions: str
    district: str | None


class NpcRow(NamedTuple):
    """A row of ``npcs``. ``created_s`` None: the world files name them, and they have not lived yet."""

    id: str
    actor: str
    name: str
    role: str
    district: str
    faction: str | None
    created_s: float | None
    retired: bool


class MemoryRow(NamedTuple):
    """A row of ``npc_memories``."""

    id: uuid.UUID
    npc_id: str
    player_id: uuid.UUID | None
    memory_type: str
    content: str
    emotional_weight: int
    created_s: float
    expires_s: float | None


class RelationRow(NamedTuple):
    """A row of ``faction_relationships``: what ``a`` thought of ``b`` when it last changed."""

    a: str
    b: str
    type: str
    strength: int
    updated_s: float
    cause: str | None


class FactionRow(NamedTuple):
    """A row of ``factions``."""

    id: str
    name: str
    influence: int
    treasury: int
    territories: str


class MissionRow(NamedTuple):
    """A row of ``missions``."""

    id: uuid.UUID
    title: str
    description: str
    generated_by: str
    difficulty: int
    duration_s: float
    reward_pool: int
    faction_impact: str
    created_s: float
    expires_s: float
    actor: str
    status: str
    giver: str
    player_id: uuid.UUID
    objectives: str
    payer: str | None


class CompanionRow(NamedTuple):
    """A row of ``companions``. ``memory_data`` also says how it left its player, if it did (``gone``)."""

    id: uuid.UUID
    player_id: uuid.UUID
    name: str
    companion_type: str
    personality: str
    experience_points: int
    loyalty_level: int
    memory_data: str
    created_s: float
    actor: str


class Rows:
    """Rows of many actors, one for each key: a later state replaces an earlier one.

    ``placeholders``: players that rows refer to and that may not have a row yet. ``forgotten``: memories that are gone,
    with their time of creation. ``renewed``: NPCs all of whose memories are in ``memories``, so that all their other
    rows are deleted.
    """

    def __init__(self) -> None:
        self.placeholders: dict[uuid.UUID, str] = {}
        self.players: dict[uuid.UUID, PlayerRow] = {}
        self.npcs: dict[str, NpcRow] = {}
        self.memories: dict[uuid.UUID, MemoryRow] = {}
        self.forgotten: dict[uuid.UUID, float] = {}
        self.renewed: set[str] = set()
        self.relations: dict[tuple[str, str], RelationRow] = {}
        self.factions: dict[str, FactionRow] = {}
        self.missions: dict[uuid.UUID, MissionRow] = {}
        self.companions: dict[uuid.UUID, CompanionRow] = {}

    def __len__(self) -> int:
        """How many rows are written or deleted."""
        people = len(self.players) + len(self.npcs) + len(self.missions) + len(self.companions)
        return people + len(self.memories) + len(self.forgotten) + len(self.relations) + len(self.factions)

    def add(self, actor: str, old: Any, new: Any) -> None:
        """Add the rows that change when an actor known to the tables as ``old`` (None: unknown) becomes ``new``. The
        rows of an actor that ceased to exist (``new`` None) are deleted by the caller that erases it, because others
        may refer to them."""
        if new is not None:
            _PROJECTIONS[kind_of(actor)](self, actor, old, new)

    def owner(self, player: str) -> uuid.UUID:
        """The id of a player that a row refers to."""
        known = player_id(player)
        self.placeholders[known] = player
        return known


@lru_cache(maxsize=16384)
def player_id(actor: str) -> uuid.UUID:
    """The id of a player's row: the name itself where that is a UUID in canonical text, else derived from the actor."""
    name = name_of(actor)
    try:
        as_uuid = uuid.UUID(name)
    except ValueError:
        return row_id(actor)
    return as_uuid if str(as_uuid) == name else row_id(actor)


def row_id(*parts: object) -> uuid.UUID:
    """The id of the row that shows something with this identity."""
    return uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts)))


def _player(rows: Rows, actor: str, old: Player | None, new: Player) -> None:
    row = _player_row(actor, new)
    if old is None or _player_row(actor, old) != row:
        rows.players[row.id] = row


def _player_row(actor: str, state: Player) -> PlayerRow:
    return PlayerRow(
        player_id(actor),
        _text(state.username, 50) or name_of(actor)[:50],
        _text(state.email, 255) if state.email else None,
        state.joined_s,
        state.last_login_s or None,
        state.tier,
        state.playtime_s,
        actor,
        state.server is not None,
        state.server,
        state.cash,
        _json({faction: round(standing.value, 1) for faction, standing in state.standings.items()}),
        _json(list(state.active)),
        state.district,
    )


def _npc(rows: Rows, actor: str, old: Npc | None, new: Npc) -> None:
    person = _npc_row(actor, new)
    if old is None or _npc_row(actor, old) != person:
        rows.npcs[person.id] = person
    if old is None:
        rows.renewed.add(name_of(actor))
        before: Mapping[int, Memory] = {}
    elif old.mind.memories is new.mind.memories:
        return
    else:
        before = {memory.no: memory for memory in old.mind.memories}
    kept = set()
    for memory in new.mind.memories:
        kept.add(memory.no)
        if before.get(memory.no) is not memory:
            row = memory_row(rows, actor, memory)
            rows.memories[row.id] = row
            rows.forgotten.pop(row.id, None)
    for no, memory in before.items():
        if no not in kept:
            gone = row_id(actor, no)
            rows.memories.pop(gone, None)
            rows.forgotten[gone] = memory.created_s


def _npc_row(actor: str, state: Npc) -> NpcRow:
    return _person_row(actor, state.sheet, state.born_s, retired=state.absence is not None)


def cast_columns(world: World) -> list[tuple[Any, ...]]:
    """What ``npcs`` shows of the people of the world files who have not lived yet: the columns ``id`` to ``faction``,
    in the order of ids."""
    people = sorted(_person_row(f"npc:{id_}", sheet, None, retired=False)[:6] for id_, sheet in world.npcs.items())
    return list(zip(*people, strict=True)) or [()] * 6


def _person_row(actor: str, sheet: NpcSheet, born_s: float | None, *, retired: bool) -> NpcRow:
    name, role = _text(sheet.name, 100), _text(sheet.role, 100)
    return NpcRow(name_of(actor), actor, name, role, sheet.home, sheet.faction, born_s, retired)


def mind_id(actor: str) -> str:
    """The ``npc_id`` of a mind: an NPC's bare name, or the whole id of another actor, which no NPC can have."""
    return name_of(actor) if kind_of(actor) == "npc" else actor


def mind_of(npc_id: str) -> str:
    """The actor whose memory a row is, by its ``npc_id``."""
    return npc_id if ":" in npc_id else f"npc:{npc_id}"


def memory_row(rows: Rows, actor: str, memory: Memory, *, archived: bool = False) -> MemoryRow:
    """The row of a memory that an NPC holds, or that is in its archive. In the archive the row's date is when it is
    lost for good, and the memory's own date is in its content."""
    about_player = memory.about is not None and memory.about.startswith("player:")
    content: dict[str, Any] = {
        "no": memory.no,
        "text": _text(memory.text),
        "about": memory.about,
        "source": memory.source,
        "rehearsed": memory.rehearsed,
        "again_s": memory.again_s,
    }
    # Only where there is something to say, so that rows of before show what they should.
    rare = {"audience": memory.audience, "due_s": memory.due_s, "trace": memory.trace, "was": memory.was}
    rare |= {"replaced": memory.replaced, "frame": memory.frame}
    if archived:
        rare["expires_s"] = memory.expires_s
    content |= {name: value for name, value in rare.items() if value}
    if memory.trace is not None:
        content["trace"] = {"origin": memory.trace.origin, "chain": memory.trace.chain, "born_s": memory.trace.born_s}
    return MemoryRow(
        row_id(actor, memory.no),
        mind_id(actor),
        rows.owner(memory.about) if about_player and memory.about is not None else None,
        memory.kind,
        _json(content),
        _bounded(memory.weight, 0, 100),
        memory.created_s,
        forgotten_s(memory) if archived else memory.expires_s,
    )


def _faction(rows: Rows, actor: str, old: Faction | None, new: Faction) -> None:
    name = name_of(actor)
    row = _faction_row(name, new)
    if old is None or _faction_row(name, old) != row:
        rows.factions[name] = row
    for other, relation in new.relations.items():
        if old is None or old.relations.get(other) is not relation:
            cause = next((entry.cause for entry in reversed(new.ledger) if entry.other == other), None)
            rows.relations[name, other] = RelationRow(
                name,
                other,
                standing_label(relation.value),
                _bounded(relation.value, -100, 100),
                relation.at_s,
                None if cause is None else _text(cause),
            )


def _faction_row(name: str, state: Faction) -> FactionRow:
    return FactionRow(name, state.sheet.name, round(state.influence), state.treasury, _json(sorted(state.territories)))


def _mission(rows: Rows, actor: str, old: Mission | None, new: Mission) -> None:
    row = _mission_row(rows, actor, new)
    if old is None or _mission_row(rows, actor, old) != row:
        rows.missions[row.id] = row


def _mission_row(rows: Rows, actor: str, state: Mission) -> MissionRow:
    template = state.template
    return MissionRow(
        row_id(actor),
        _text(template.title, 255),
        _text(template.description),
        state.origin,
        _bounded(template.difficulty, 1, 10),
        template.minutes * 60.0,
        reward_of(state),
        _json(dict(template.impact)),
        state.offered_s,
        state.due_s,
        actor,
        state.status,
        state.giver,
        rows.owner(state.player),
        _json(objectives(state)),
        state.payer,
    )


def _companion(rows: Rows, actor: str, old: Companion | None, new: Companion) -> None:
    row = _companion_row(rows, actor, new)
    if old is None or _companion_row(rows, actor, old) != row:
        rows.companions[row.id] = row


def _companion_row(rows: Rows, actor: str, state: Companion) -> CompanionRow:
    memories = [{"no": m.no, "kind": m.kind, "text": _text(m.text), "weight": m.weight} for m in state.mind.memories]
    gone = {"gone": state.gone} if state.gone else {}
    return CompanionRow(
        row_id(actor),
        rows.owner(state.owner),
        _text(state.name, 100),
        _text(state.companion_type, 50),
        _json(dict(state.personality)),
        state.experience,
        _bounded(state.loyalty, 0, 100),
        _json({"memories": memories, **gone}),
        state.born_s,
        actor,
    )


_PROJECTIONS: Final[Mapping[str, Callable[[Rows, str, Any, Any], None]]] = {
    "player": _player,
    "npc": _npc,
    "faction": _faction,
    "mission": _mission,
    "companion": _companion,
}


def _json(value: Any) -> str:
    return _encode_json(value).decode()


def _text(text: str, length_max: int | None = None) -> str:
    """Text that fits a column: without NUL, which Postgres does not store, and at most its length."""
    return text.replace("\x00", "")[:length_max]


def _bounded(value: float, low: int, high: int) -> int:
    return min(high, max(low, round(value)))
