"""What an erasure would change, text by text: ``ganggpt erase --dry-run``. Reads with the erasure's own rules, writes
nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import wake
from ganggpt.actors.maintenance.erasure import Known, in_row, reworded, turn_without
from ganggpt.domain import erasure, player_export
from ganggpt.domain.erasure import Subject, Trail
from ganggpt.domain.ids import ActorId
from ganggpt.domain.kinds import decode_turn, kind_for
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, UnknownActor
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.player_data.player_data import PostgresPlayerData
from ganggpt.persistence.ports.player_data import REWORDED, TABLES, FoundRow

_AT_ONCE: Final = 64
_ALIAS: Final = "player:forgotten"
_KEPT: Final = frozenset(("faction_relationships",))
"""Tables whose rows stay, and whose texts go."""

Progress = Callable[[str], None]


class TextChange(Struct, frozen=True):
    """A text that an erasure would change. ``table`` and ``row``: where it stands (an actor for ``snapshots``, an actor
    and the number of a turn for ``journal``); ``field``: the way to it; ``after`` None: it is deleted."""

    table: str
    row: str
    field: str
    before: str
    after: str | None


async def preview(
    pool: Any, player: ActorId, world: World, progress: Progress = lambda _: None
) -> AsyncIterator[TextChange]:
    """Every text that the erasure of a player would change. Cached copies in Redis are not listed: they are deleted.

    Raises UnknownActor, Unavailable.
    """
    store = PostgresPlayerData(pool)
    if player not in await store.known_players():
        raise UnknownActor(player)
    reading = _Reading(pool, player, world)
    await reading.begin()
    for actor in reading.actors:
        progress(f"reading {actor}")
        async for change in reading.of_actor(actor):
            yield change
    for table in TABLES:
        progress(f"reading {table}")
        async for change in reading.of_table(table):
            yield change


class _Reading:
    """Reads what an erasure would read, in one pass."""

    def __init__(self, pool: Any, player: ActorId, world: World) -> None:
        self._store, self._journal = PostgresPlayerData(pool), PostgresJournal(pool, "erasure")
        self._player = player
        self._known = Known(player, _ALIAS, (), world)
        self.actors: Sequence[str] = ()

    async def begin(self) -> None:
        """Learn the player's names, and which actors may know them."""
        self._known.begin(await self._store.names(self._player), await self._store.origins(self._player))
        self.actors = await self._store.actors(self._known.words)
        for start in range(0, len(self.actors), _AT_ONCE):
            for actor, state in await self._states(self.actors[start : start + _AT_ONCE]):
                self._known.learn(actor, state)

    async def _states(self, actors: Sequence[str]) -> Sequence[tuple[str, Any]]:
        stored = await self._journal.load(actors)
        states = []
        for actor in actors:
            with suppress(GangGPTError):  # what cannot be read is left as it is
                states.append((actor, wake(ActorId(actor), "", stored.get(actor), time.time()).state))
        return [(actor, state) for actor, state in states if state is not None]

    async def of_actor(self, actor: str) -> AsyncIterator[TextChange]:
        """What would change in an actor's state, and in its turns."""
        known = await self._states([actor])
        if not known:
            return
        subject, (_, state) = self._known.to(actor), known[0]
        gone = self._player in (actor, getattr(state, "owner", None), getattr(state, "player", None))
        for where, before, after in player_export.changes(state, None if gone else erasure.forgotten(state, subject)):
            yield TextChange("snapshots", actor, where, before, after)
        kind, trail = kind_for(actor), Trail(subject)
        async for row in self._store.turns(actor):
            record = decode_turn(kind, row.body)
            if gone:
                changed: Any = None
            elif (body := turn_without(row, record, subject, trail)) is None:
                continue
            else:
                changed = decode_turn(kind, body)
            for part in ("events", "effects", "reply"):
                then = None if changed is None else getattr(changed, part)
                for where, before, after in player_export.changes(getattr(record, part), then, part):
                    yield TextChange("journal", f"{actor}#{row.seq}", where, before, after)

    async def of_table(self, table: str) -> AsyncIterator[TextChange]:
        """What would change in a table."""
        for row in await self._store.rows_about(table, self._known.words):
            if in_row(table, row, self._known):
                for field, before, after in _of_row(table, row, self._known.subject()):
                    yield TextChange(table, row.key, field, before, after)


def _of_row(table: str, row: FoundRow, subject: Subject) -> Iterable[tuple[str, str, str | None]]:
    if table in REWORDED and not row.theirs:
        texts = zip(REWORDED[table], *reworded(table, row, subject), strict=True)
        return ((field, before, after) for field, before, after in texts if before != after)
    if table in _KEPT:
        return (("cause", str(msgspec.json.decode(row.text)["cause"]), None),)
    content = msgspec.json.decode(row.text) if row.text else row.body
    return _deleted(content)


def _deleted(content: Any) -> Iterator[tuple[str, str, None]]:
    for where, before, _ in player_export.changes(content, None):
        yield where, before, None
