"""The data of one player: an export of everything about them, and the order to erase it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import wake
from ganggpt.domain import erasure, player_export
from ganggpt.domain.erasure import Subject, Trail
from ganggpt.domain.fields import is_player
from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.kinds import decode_turn, kind_for
from ganggpt.errors import InvalidInput, Refused, UnknownActor
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.player_data.player_data import PostgresPlayerData, mark_of
from ganggpt.persistence.ports.player_data import TABLES, ErasureOrder, Words
from ganggpt.persistence.world_snapshot.snapshot_files import SnapshotPlace

RECORD: Final = "erased-players.json"
"""Beside the snapshots: whom a restored world has to forget again, by salted hash."""
_POLL_S: Final = 0.25
_COPIES: Final = frozenset(("missions", "companions", "npc_memories"))
"""Tables that show what the states say already."""

Progress = Callable[[str], None]


class Erased(Struct, frozen=True):
    """A salted hash of a player who asked to be forgotten at ``asked_s``."""

    salt: bytes
    mark: bytes
    asked_s: float


def player_actor(text: str) -> ActorId:
    """The actor of a player, named in full or by name alone. Raises InvalidInput."""
    actor = text if text.startswith("player:") else f"player:{text}"
    if not is_player(actor):
        raise InvalidInput(
            "player", f"{text[:80]!r} is not a player; a player looks like ava, player:ava or license:1a2b"
        )
    return ActorId(actor)


# ------------------------------------------------------------------------------------------------------------- export


async def export(pool: Any, player: ActorId, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Everything the database holds about a player: state and turns by actor, and rows of tables.

    Raises UnknownActor if there is nothing, and Unavailable.
    """
    store, journal = PostgresPlayerData(pool), PostgresJournal(pool, "export")
    origins = tuple(await store.origins(player))
    words = Words(player, (), origins)
    subject = Subject(player, (), player, frozenset(origins))
    actors = await store.actors(words)
    minds: dict[str, Any] = {}
    for done, actor in enumerate(actors):
        progress(f"reading {actor} ({done + 1} of {len(actors)})")
        known = await _of_actor(store, journal, actor, subject)
        if known:
            minds[actor] = known
    tables: dict[str, Any] = {}
    for table in TABLES:
        found = [(row.theirs, _row(row.text, row.body)) for row in await store.rows_about(table, words)]
        is_copy = table in _COPIES
        rows = [shown for theirs, shown in found if theirs or (not is_copy and erasure.mentions(shown, subject))]
        if rows:
            tables[table] = rows
    if not minds and not tables:
        raise UnknownActor(player)
    return {"player": player, "exported_s": round(time.time(), 3), "actors": minds, "tables": tables}


async def _of_actor(
    store: PostgresPlayerData, journal: PostgresJournal, actor: str, subject: Subject
) -> dict[str, Any]:
    stored = (await journal.load([actor])).get(actor)
    state = wake(ActorId(actor), "", stored, time.time()).state
    own = actor == subject.player or subject.player in (getattr(state, "owner", None), getattr(state, "player", None))
    now: Any = player_export.shown(state) if own else _by_place(state, subject)
    turns = [turn async for turn in _turns(store, actor, subject)]
    return {name: part for name, part in (("now", now), ("turns", turns)) if part}


def _by_place(state: Any, subject: Subject) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for where, part in player_export.about(state, subject):
        found.setdefault(where, []).append(part)
    return found


async def _turns(store: PostgresPlayerData, actor: str, subject: Subject) -> Any:
    trail, kind = Trail(subject), kind_for(actor)
    async for row in store.turns(actor):
        record = decode_turn(kind, row.body)
        if actor == subject.player or trail.holds((*record.events, record.effects), row.by):
            events = player_export.shown(record.events)
            yield {"no": row.seq, "at_s": row.at_s, "by": row.by, "command": row.name, "events": events}


def _row(text: str, body: bytes) -> Any:
    return msgspec.json.decode(text) if text else player_export.shown(body)


# -------------------------------------------------------------------------------------------------------------- erase


async def order_erasure(pool: Any, player: ActorId, place: str | None, *, even_online: bool = False) -> int:
    """Order a player's erasure, and record it beside the snapshots in ``place``; returns the number of the order.

    Raises UnknownActor, Refused (``online``), StorageFailed, Unavailable.
    """
    store = PostgresPlayerData(pool)
    known = await store.known_players()
    if player not in known:
        raise UnknownActor(player)
    if not even_online and await store.is_online(player):
        raise Refused("online", f"{name_of(player)} is on a game server, and would be known again at once")
    no = await store.open_order(player)
    if place is not None:
        await _note(place, await store.order(no))
    return no


async def follow(pool: Any, no: int, progress: Progress = lambda _: None) -> ErasureOrder:
    """Wait until an order is carried out, or no world runs that could do it. Raises Unavailable."""
    store = PostgresPlayerData(pool)
    while (order := await store.order(no)).done_at is None and await store.has_hosts():
        progress(f"round {order.rounds}: {order.step or 'beginning'}")
        await asyncio.sleep(_POLL_S)
    return order


async def orders_again(pool: Any, place: str) -> int:
    """Order again the erasures that are recorded beside a restored snapshot in ``place``; returns how many. A player
    who joined after the order counts as another person. Raises StorageFailed, Unavailable."""
    marks = await _marks(place)
    if not marks:
        return 0
    store = PostgresPlayerData(pool)
    ordered = 0
    for player, joined_s in (await store.known_players()).items():
        if any(_is_meant(mark, player, joined_s) for mark in marks):
            await store.open_order(player)
            ordered += 1
    return ordered


def _is_meant(mark: Erased, player: str, joined_s: float | None) -> bool:
    return (joined_s is None or joined_s <= mark.asked_s) and mark_of(mark.salt, player) == mark.mark


async def _note(place: str, order: ErasureOrder) -> None:
    marks = [*await _marks(place), Erased(order.salt, order.mark, order.asked_at.timestamp())]
    await SnapshotPlace(place).write(RECORD, msgspec.json.format(msgspec.json.encode(marks)))


async def _marks(place: str) -> Sequence[Erased]:
    stored = await SnapshotPlace(place).read(RECORD)
    return [] if stored is None else msgspec.json.decode(stored, type=list[Erased])
