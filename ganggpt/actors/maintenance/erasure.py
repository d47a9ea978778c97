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
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from ganggpt.actors.envelope import reply_ok
from ganggpt.actors.host.activation import Activation, wake
from ganggpt.actors.routing.shards import Residences
from ganggpt.domain import erasure
from ganggpt.domain.erasure import ForgetPlayer, PlayerForgotten, Subject, Trail
from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.kinds import VERSION, TurnRecord, decode_turn, encode_command, encode_turn, kind_for
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError
from ganggpt.persistence.ports.journal import Journal
from ganggpt.persistence.ports.player_data import (
    LOOSE,
    REWORDED,
    TABLES,
    ErasureOrder,
    FoundRow,
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
_SEARCHED_MAX: Final = 64
"""The most names in one search, each in every spelling."""


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
        assert order.player is not None
        known = Known(order.player, order.alias, order.names, self._ports.world)
        hunt = _Hunt(order, known, Counter(order.erased))
        for round_ in range(order.rounds + 1, ROUNDS_MAX + 1):
            found = await _Round(self._ports, hunt, round_).run()
            hunt.erased.update(found)
            await store.note(order.no, "", round_, hunt.known.names, hunt.erased)
            if not found:
                await store.fulfil(order.no)
                log.info("erasure %d is done after %d rounds: %s", order.no, round_, dict(hunt.erased))
                return
            await asyncio.sleep(_LOOK_S)
        log.error("erasure %d still finds something after %d rounds", order.no, ROUNDS_MAX)


class Known:
    """The names of a player that an erasure has learned: their id and user names, which are looked for everywhere, and
    what they called themselves in talk, which is looked for in the minds they told it."""

    def __init__(self, player: str, alias: str, names: Sequence[str], world: World) -> None:
        self._player, self._world = player, world
        self._subject = Subject(player, (), alias).called((name_of(player), *names), world)
        self._in_minds: dict[str, Subject] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the user names."""
        return self._subject.names

    @property
    def words(self) -> Words:
        """What to search for."""
        told = [name for subject in self._in_minds.values() for name in subject.names]
        names = dict.fromkeys((*self.names, *sorted(told)))
        return Words(self._player, tuple(names)[:_SEARCHED_MAX], tuple(sorted(self._subject.origins)))

    def begin(self, names: Iterable[str], origins: Iterable[str]) -> None:
        """Learn user names, and which rumours began with the player."""
        self._subject = replace(self._subject.called(names, self._world), origins=frozenset(origins))

    def learn(self, actor: str, state: Any) -> None:
        """Learn what an actor's state says the player is called."""
        if actor == self._player:
            self.begin(erasure.names_in(actor, state, self._player), self._subject.origins)
        else:
            self.learn_nicknames(actor, erasure.names_in(actor, state, self._player))

    def learn_nicknames(self, actor: str, names: Iterable[str]) -> None:
        """Learn what the player called themselves to an actor."""
        if names := tuple(names):
            self._in_minds[actor] = self._in_minds.get(actor, Subject(self._player)).called(names, self._world)

    def subject(self) -> Subject:
        """Whom it is about, by the names that are looked for everywhere."""
        return self._subject

    def to(self, actor: str) -> Subject:
        """Whom it is about, also by what an actor knows them as."""
        told = self._in_minds.get(actor)
        return self._subject if told is None else self._subject.called(told.names, self._world)

    def in_state(self, actor: str, state: Any) -> Subject:
        """Whom it is about for an actor that is told to forget them now: as ``erasure.forgetting`` sees it."""
        return self._subject.called(erasure.names_in(actor, state, self._player), self._world)


@dataclass(frozen=True, slots=True)
class _Hunt:
    """What an order has found so far: names of the player, actors whose whole journal was read, actors of the player
    that ceased to exist, and how many of what were erased."""

    order: ErasureOrder
    known: Known
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
        self._order, self._known, self._before = hunt.order, hunt.known, hunt.erased
        self._read, self._ceased = hunt.read, hunt.ceased
        self._round = round_
        self._player: str = hunt.order.player
        self._erased: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        """Run it; returns how many of what were erased, empty where nothing was found."""
        await self._step("looking for the player")
        self._known.begin(await self._store.names(self._player), await self._store.origins(self._player))
        actors = await self._store.actors(self._known.words)
        knowing = [actor async for actor in self._who_knows(actors)]
        await self._tell(knowing)
        for done, actor in enumerate(actors):
            if done % _AT_ONCE == 0:
                await self._step(f"rewriting what {len(actors)} actors went through ({done} done)")
            await self._clean_up(actor)
        await self._step("cleaning the tables")
        for table in TABLES:
            await self._clean(table)
        ids = (*self._known.words.ids[:1], *sorted(self._ceased))
        self._erased["cached"] += await self._cache.forget(in_bytes(ids, self._known.subject()))
        return +self._erased

    async def _step(self, step: str) -> None:
        await self._store.note(self._order.no, step, self._round, self._known.names, self._before)

    async def _who_knows(self, actors: Sequence[str]) -> AsyncIterator[str]:
        """Actors whose state mentions the player. Learns the names they know on the way."""
        known: list[tuple[str, Any]] = []
        for start in range(0, len(actors), _AT_ONCE):
            for woken in await self._wake(actors[start : start + _AT_ONCE]):
                if woken.state is not None:
                    self._known.learn(woken.actor, woken.state)
                    known.append((woken.actor, woken.state))
        for actor, state in known:
            if actor == self._player or erasure.mentions(state, self._known.in_state(actor, state)):
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
        subject = self._known.subject()
        told = (subject.player, subject.names, subject.alias, tuple(sorted(subject.origins)))
        command = ForgetPlayer(*told, subject.words)
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
        kind = kind_for(actor)
        forgot = [(seq, decode_turn(kind, body).events) for seq, body in await self._store.forget_turns(actor)]
        told = [(seq, e) for seq, events in forgot for e in events if isinstance(e, PlayerForgotten)]
        self._known.learn_nicknames(actor, [name for _, e in told if e.player == self._player for name in e.names])
        known_until = max((seq for seq, e in told), default=0)
        trail = Trail(self._known.subject(), [no for _, e in told for no in e.memories])
        batch: list[tuple[TurnRow, str, bytes]] = []
        words = self._known.words if actor in self._read else None
        async for row in self._store.turns(actor, words):
            if row.seq > until:
                break
            subject = self._known.to(actor) if row.seq <= known_until else self._known.subject()
            body = turn_without(row, decode_turn(kind, row.body), subject, trail)
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
        found = [
            row for row in await self._store.rows_about(table, self._known.words) if in_row(table, row, self._known)
        ]
        if not found:
            return
        if table in REWORDED:
            texts = [(row, *reworded(table, row, self._known.subject())) for row in found]
            changed = [(row.key, *after) for row, before, after in texts if before != after]
            self._erased[table] += await self._store.reword(table, changed) if changed else 0
        else:
            self._erased[table] += await self._store.clean(table, [row.key for row in found], self._player)


def in_row(table: str, row: FoundRow, known: Known) -> bool:
    """Whether a row that a search found is about the player."""
    if row.theirs:
        return True
    content = msgspec.json.decode(row.text or "null")
    if table in LOOSE:
        return erasure.mentions_anywhere(content, known.subject())
    subject = known.subject()
    if table == "npc_memories":
        owner = str(content["npc_id"])
        subject = known.to(owner if ":" in owner else f"npc:{owner}")
    return erasure.mentions((content, row.body), subject)


def reworded(table: str, row: FoundRow, subject: Subject) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a row of REWORDED, as they are and without the player."""
    content = msgspec.json.decode(row.text)
    before = tuple(content[name] or "" for name in REWORDED[table])
    return before, tuple(map(erasure.nameless, before, (subject,) * len(before), REWORDED[table]))


async def _none_left(count: Callable[[], Awaitable[Any]]) -> None:
    """Poll until there is nothing left; the database cannot notify us."""
    while await count():  # noqa: ASYNC110 - another process deletes the rows
        await asyncio.sleep(_LOOK_S)


def turn_without(row: TurnRow, record: TurnRecord[Any], subject: Subject, trail: Trail) -> bytes | None:
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


def in_bytes(ids: Sequence[str], subject: Subject) -> Callable[[bytes], bool]:
    """A test whether bytes of a cache have one of the ids or a name of the player in them."""
    search = re.compile(b"|".join(re.escape(each.encode()) for each in ids)).search
    return lambda value: search(value) is not None or erasure.mentions_anywhere(value, subject)
