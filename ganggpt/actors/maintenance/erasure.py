"""Erases a player: the supervisor carries out the orders of ``ganggpt erase``, in rounds, until a search of everything
finds nothing.

A round tells the minds that know the player to forget, by messages, so that each does it once and durably. Then it
covers them with snapshots, and only then rewrites the turns before these in the journal. So a wake never reads a turn
that was rewritten without the state that the real turn made. The next round finds what was under way meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ganggpt.actors.envelope import reply_ok
from ganggpt.actors.host.activation import Activation, wake
from ganggpt.actors.routing.shards import Residences
from ganggpt.domain import erasure
from ganggpt.domain.erasure import ForgetPlayer, PlayerForgotten, Subject, Trail
from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.kinds import VERSION, TurnRecord, decode_turn, encode_command, encode_turn, kind_for
from ganggpt.domain.language.world_knowledge import telling_words
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError
from ganggpt.persistence.ports.journal import Journal
from ganggpt.persistence.ports.player_data import (
    LOOSE,
    TABLES,
    ErasureOrder,
    PlayerDataCache,
    PlayerDataStore,
    TurnRow,
    Words,
)
from ganggpt.persistence.ports.retention import JournalRetention

log = logging.getLogger(__name__)

ROUNDS_MAX: Final = 900
"""The most rounds of one order. The numbers of its messages depend on them."""
MESSAGES_S: Final = 60.0
"""How long a round waits for answers to its messages. Later answers count in the next round."""
_LOOK_S: Final = 0.25
_AT_ONCE: Final = 64
"""Actors that are read and replayed at one time."""
_ROWS: Final = 500

_NAMES_MAX: Final = 16
_COMMON_NAMES: Final = frozenset(
    ("player", "guest", "admin", "none", "null", "test", "unknown", "you", "the", "and", erasure.SOMEBODY)
)


@dataclass(frozen=True, slots=True)
class ErasurePorts:
    """What an erasure needs from outside."""

    store: PlayerDataStore
    cache: PlayerDataCache
    journal: Journal
    retention: JournalRetention
    residences: Callable[[], Awaitable[Residences]]
    world: World


class Erasing:
    """Carries out orders one after the other. Has no state of its own and may run twice at the same time."""

    def __init__(self, ports: ErasurePorts) -> None:
        self._ports = ports

    async def carry_out_all(self) -> None:
        """Carry out every open order. Raises Unavailable; the next call continues."""
        for order in await self._ports.store.open_orders():
            await self.carry_out(order)

    async def carry_out(self, order: ErasureOrder) -> None:
        """Carry out one order, until a whole round finds nothing of the player. Raises Unavailable."""
        store = self._ports.store
        hunt = _Hunt(order, set(order.names), Counter(order.erased))
        for round_ in range(order.rounds + 1, ROUNDS_MAX + 1):
            found = await _Round(self._ports, hunt, round_).run()
            hunt.erased.update(found)
            await store.note(order.no, "", round_, sorted(hunt.names), hunt.erased)
            if not found:
                await store.fulfil(order.no)
                log.info("erasure %d is done after %d rounds: %s", order.no, round_, dict(hunt.erased))
                return
            await asyncio.sleep(_LOOK_S)
        log.error("erasure %d still finds something after %d rounds", order.no, ROUNDS_MAX)


@dataclass(frozen=True, slots=True)
class _Hunt:
    """What an order has found so far: names of the player, actors whose whole journal was read, actors of the player
    that ceased to exist, and how many of what were erased."""

    order: ErasureOrder
    names: set[str]
    erased: Counter[str]
    read: set[str] = field(default_factory=set)
    ceased: set[str] = field(default_factory=set)


class _Round:
    """One round of an order."""

    def __init__(self, ports: ErasurePorts, hunt: _Hunt, round_: int) -> None:
        assert hunt.order.player is not None
        self._store, self._cache = ports.store, ports.cache
        self._journal, self._retention = ports.journal, ports.retention
        self._residences = ports.residences
        self._order, self._names, self._before = hunt.order, hunt.names, hunt.erased
        self._read, self._ceased = hunt.read, hunt.ceased
        self._round = round_
        self._player: str = hunt.order.player
        self._origins: frozenset[str] = frozenset()
        self._erased: Counter[str] = Counter()
        self._not_sought = _COMMON_NAMES | telling_words(ports.world)

    async def run(self) -> Counter[str]:
        """Run it; returns how many of what were erased, empty where nothing was found."""
        await self._step("looking for the player")
        self._origins = frozenset(await self._store.origins(self._player))
        self._learn((name_of(self._player), *await self._store.names(self._player)))
        actors = await self._store.actors(self._words())
        knowing = [actor async for actor in self._who_knows(actors)]
        await self._tell(knowing)
        for done, actor in enumerate(actors):
            if done % _AT_ONCE == 0:
                await self._step(f"rewriting what {len(actors)} actors went through ({done} done)")
            await self._clean_up(actor)
        await self._step("cleaning the tables")
        for table in TABLES:
            await self._clean(table)
        self._erased["cached"] += await self._cache.forget(_in_bytes((*self._words().all, *sorted(self._ceased))))
        return +self._erased

    def _learn(self, names: Iterable[str]) -> None:
        """Learn names to search for in texts, except common names and words of the world."""
        for name in names:
            if len(self._names) == _NAMES_MAX:
                return
            if len(name) >= erasure.NAME_LENGTH_MIN and name.lower() not in self._not_sought:
                self._names.add(name)

    def _words(self) -> Words:
        return Words(self._player, self._subject().names, tuple(sorted(self._origins)))

    def _subject(self) -> Subject:
        spelt = [each for name in sorted(self._names) for each in erasure.spellings(name)]
        return Subject(self._player, tuple(dict.fromkeys(spelt)), self._order.alias, self._origins)

    async def _step(self, step: str) -> None:
        await self._store.note(self._order.no, step, self._round, sorted(self._names), self._before)

    async def _who_knows(self, actors: Sequence[str]) -> AsyncIterator[str]:
        """Actors whose state mentions the player. Learns the names they know on the way."""
        known: list[tuple[str, Any]] = []
        for start in range(0, len(actors), _AT_ONCE):
            for woken in await self._wake(actors[start : start + _AT_ONCE]):
                if woken.state is not None:
                    self._learn(erasure.names_in(woken.actor, woken.state, self._player))
                    known.append((woken.actor, woken.state))
        subject = self._subject()
        for actor, state in known:
            if actor == self._player or erasure.mentions(state, subject):
                yield actor

    async def _wake(self, actors: Sequence[str]) -> Sequence[Activation]:
        stored = await self._journal.load(actors)
        now_s = await self._retention.now_s()
        woken = []
        for actor in actors:
            await asyncio.sleep(0)  # so that the supervisor notices the end of a host meanwhile
            try:
                woken.append(wake(ActorId(actor), "", stored.get(actor), now_s))
            except GangGPTError as error:
                log.warning("erasure %d: %s cannot be read and is left as it is: %s", self._order.no, actor, error)
        return woken

    async def _tell(self, actors: Sequence[str]) -> None:
        """Tell actors to forget, and wait until they have done so and the tables show it."""
        if not actors:
            return
        await self._step(f"telling {len(actors)} minds to forget")
        subject = self._subject()
        command = ForgetPlayer(subject.player, subject.names, subject.alias, tuple(sorted(subject.origins)))
        residences = await self._residences()
        shards = {actor: residences.shard_of(actor) for actor in actors}
        ids = await self._store.send(self._order, self._round, encode_command(command), shards)
        with suppress(TimeoutError):
            async with asyncio.timeout(MESSAGES_S):
                await _none_left(lambda: self._store.undelivered(self._order, self._round))
                await _none_left(lambda: self._store.unshown(ids))
        self._erased["minds"] += len(actors)

    async def _clean_up(self, actor: str) -> None:
        """Erase the player from what is stored of an actor."""
        for woken in await self._wake([actor]):
            if woken.state is None:
                if await self._store.delete_actor(actor):
                    self._ceased.add(actor)
                    self._erased["actors"] += 1
                return
            await self._retention.save_replayed(VERSION, [(actor, woken.seq, woken.snapshot())])
            await self._rewrite(actor, woken.seq)

    async def _rewrite(self, actor: str, until: int) -> None:
        """Rewrite the turns up to ``until``: the first time all, later those that contain a word of the player."""
        kind, subject = kind_for(actor), self._subject()
        told = [decode_turn(kind, body).events for body in await self._store.forget_turns(actor)]
        numbers = [no for events in told for e in events if isinstance(e, PlayerForgotten) for no in e.memories]
        trail = Trail(subject, numbers)
        batch: list[tuple[TurnRow, str, bytes]] = []
        words = self._words() if actor in self._read else None
        async for row in self._store.turns(actor, words):
            if row.seq > until:
                break
            body = _without(row, decode_turn(kind, row.body), subject, trail)
            by = subject.alias if row.by == subject.player else row.by
            if body is not None or by != row.by:
                batch.append((row, by, row.body if body is None else body))
            if len(batch) == _ROWS:
                await self._put(actor, batch)
        await self._put(actor, batch)
        self._read.add(actor)

    async def _put(self, actor: str, batch: list[tuple[TurnRow, str, bytes]]) -> None:
        for part in sorted({row.part for row, _, _ in batch}):
            rows = [(row.seq, row.day, by, body) for row, by, body in batch if row.part == part]
            await self._store.rewrite(actor, part, rows)
        self._erased["turns"] += len(batch)
        batch.clear()

    async def _clean(self, table: str) -> None:
        subject, words = self._subject(), self._words()
        found = await self._store.rows_about(table, words)
        keys = []
        for row in found:
            shown = (msgspec.json.decode(row.text or "null"), row.body)
            if row.theirs or table in LOOSE or erasure.mentions(shown, subject):
                keys.append(row.key)
        if keys:
            self._erased[table] += await self._store.clean(table, keys, words, erasure.SOMEBODY)


async def _none_left(count: Callable[[], Awaitable[Any]]) -> None:
    """Poll until there is nothing left; the database cannot notify us."""
    while await count():  # noqa: ASYNC110 - another process deletes the rows
        await asyncio.sleep(_LOOK_S)


def _without(row: TurnRow, record: TurnRecord[Any], subject: Subject, trail: Trail) -> bytes | None:
    """The body of a turn without the player; None where nothing changes."""
    theirs = trail.holds((*record.events, record.effects), row.by)
    if not (theirs or erasure.mentions((record.events, record.effects, record.reply), subject)):
        return None
    parts = (record.events, record.effects, record.reply)
    events, effects, reply = (erasure.rewritten(part, subject, blank=theirs) for part in parts)
    if theirs:
        reply = reply_ok(row.command_id.bytes, row.seq, {"erased": True})
    after = msgspec.structs.replace(record, events=events, effects=effects, reply=reply)
    return None if after == record else encode_turn(after)


def _in_bytes(words: Sequence[str]) -> Callable[[bytes], bool]:
    """A test whether bytes contain one of the words. It may find too much, because a cache may lose anything."""
    search = re.compile(b"|".join(re.escape(word.encode()) for word in words)).search
    return lambda value: search(value) is not None
