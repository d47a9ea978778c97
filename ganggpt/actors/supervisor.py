"""The supervisor: sees to it that every shard has a live host. All its knowledge is in Postgres.

It may die and come back anywhere; running hosts do not need it. It starts hosts, gives orphaned shards to live ones
and fences hosts that fell silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ganggpt.actors.clock import loop_s
from ganggpt.actors.routing import residences_of
from ganggpt.actors.shards import Routes, shared_shard
from ganggpt.errors import StartFailed, Unavailable
from ganggpt.persistence.hosts import PostgresHosts, RouteRow

log = logging.getLogger(__name__)


HOUSE_EVERY_S: Final = 3600.0


class Fleet(Protocol):
    """How host processes are started and reached; Ray in production, plain tasks in tests."""

    async def start(self, name: str, kind: str) -> None:
        """Start a host process, or find the one that runs; returns once it answers. Raises Unavailable."""
        ...

    async def restart(self, name: str, kind: str) -> None:
        """End a host process that fell silent; it starts anew by itself."""
        ...

    async def refresh(self, name: str) -> None:
        """Tell a host that its shards changed. Raises Unavailable."""
        ...

    async def carve_out(self, name: str, actor: str) -> None:
        """Let a host release an actor into a shard of its own. Raises Unavailable."""
        ...

    async def give_back(self, actor: str) -> None:
        """Put an actor of a host of its own back into its hash shard, and end that host. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What should run: the number of shared hosts and the actors with a residence of their own.

    ``companions_max``: how many companions of players who are online may have one besides. ``lease_s``: how long a host
    may be silent before it is fenced, by the database's clock.
    """

    hosts: int
    own: tuple[str, ...]
    companions_max: int = 0
    lease_s: float = 10.0
    round_s: float = 1.0
    starts_at_once: int = 2


def own_residents(residence: str, cast: Sequence[str], own_actors_max: int) -> tuple[str, ...]:
    """Which members of the cast get a process of their own: factions first, then people, while the budget lasts.

    ``residence``: ``auto``, ``own`` (all of the cast) or ``shared`` (none).
    """
    if residence == "shared":
        return ()
    ranked = sorted(cast, key=lambda actor: (not actor.startswith("faction:"), actor))
    return tuple(ranked if residence == "own" else ranked[:own_actors_max])


def plan_for(residence: str, cast: Sequence[str], *, hosts: int, own_actors_max: int, lease_s: float) -> Plan:
    """The plan of a world with this cast. What the cast leaves of ``own_actors_max`` is for companions."""
    own = own_residents(residence, cast, own_actors_max)
    companions_max = 0 if residence == "shared" else max(0, own_actors_max - len(own))
    return Plan(hosts, own, companions_max, lease_s)


def host_names(count: int) -> list[str]:
    """Names of the shared hosts of a plan."""
    return [f"host:{n}" for n in range(count)]


class Supervisor:
    """Owns no state but the plan. ``boot`` once, then ``run`` for ever."""

    def __init__(
        self, hosts: PostgresHosts, fleet: Fleet, plan: Plan, keep_house: Callable[[], Awaitable[object]]
    ) -> None:
        self._hosts = hosts
        self._fleet = fleet
        self._plan = plan
        self._keep_house = keep_house

    async def boot(self) -> None:
        """Settle residences, start the shared hosts and give them their shards. Idempotent: a restarted supervisor
        finds it all in place. Hosts of one actor are started by ``run``, because that takes a while on a small machine
        and commands for them wait in the routers meanwhile. Raises Unavailable.
        """
        await self._settle_residences()
        await self._start([(name, "shared") for name in host_names(self._plan.hosts)])
        await self._adopt_orphans()

    async def run(self) -> None:
        """Look after everything, round after round; and now and then after the house (new parts of the journal)."""
        house_at_s = 0.0
        while True:
            await asyncio.sleep(self._plan.round_s)
            try:
                await self.round()
                if loop_s() >= house_at_s:
                    await self._keep_house()
                    house_at_s = loop_s() + HOUSE_EVERY_S
            except Unavailable as away:
                log.warning("supervisor waits: %s", away)

    async def round(self) -> None:
        """One look: fence the silent, give orphans a home, see to the companions."""
        for name in await self._hosts.fence_stale(self._plan.lease_s):
            log.warning("host %s was silent for %.0f s and is fenced", name, self._plan.lease_s)
            await self._fleet.restart(name, "shared" if name in host_names(self._plan.hosts) else "own")
        orphans = await self._adopt_orphans()
        await self._start([(row.shard, "own") for row in orphans if row.residence == "own"])
        await self._house_companions()

    async def _adopt_orphans(self) -> Sequence[RouteRow]:
        orphans = await self._hosts.orphans()
        await self._adopt([row.shard for row in orphans if row.residence == "shared"])
        return orphans

    async def _start(self, hosts: Sequence[tuple[str, str]]) -> None:
        """Start hosts, a few at a time. Raises what the first one to fail raised, once all are done."""
        gate = asyncio.Semaphore(self._plan.starts_at_once)

        async def start(name: str, kind: str) -> None:
            async with gate:
                await self._fleet.start(name, kind)

        started = await asyncio.gather(*(start(*host) for host in hosts), return_exceptions=True)
        for failed in started:
            if isinstance(failed, BaseException):
                raise failed

    async def _house_companions(self) -> None:
        """A companion whose owner is online moves into a process of its own while there is room, and back after."""
        rows = await self._hosts.routes()
        routes = Routes(residences_of(rows), {row.shard: row.host for row in rows if row.host is not None})
        housed = {actor for actor in routes.residences.own if actor.startswith("companion:")}
        if not housed and not self._plan.companions_max:
            return
        wanted = await self._hosts.companions_at_play(self._plan.companions_max)
        for actor in housed.difference(wanted):
            await self._fleet.give_back(actor)
            host = routes.holders.get(shared_shard(actor, routes.residences.shards))
            if host is not None:
                await self._fleet.refresh(host)
        for actor in wanted:
            host = routes.host_of(actor)
            if actor not in housed and host is not None:
                await self._fleet.carve_out(host, actor)
                await self._fleet.start(actor, "own")

    async def _adopt(self, shards: Sequence[str]) -> None:
        if not shards:
            return
        live = [host.name for host in await self._hosts.alive() if host.kind == "shared"]
        if not live:
            return
        routes = await self._hosts.routes()
        load = Counter(dict.fromkeys(live, 0))
        load.update(row.host for row in routes if row.host is not None and row.host in load)
        wanted: dict[str, str] = {}
        for shard in shards:
            name = min(live, key=lambda host: load[host])
            load[name] += 1
            wanted[shard] = name
        await self._hosts.assign(wanted)
        for name in set(wanted.values()):
            await self._fleet.refresh(name)

    async def _settle_residences(self) -> None:
        rows = await self._hosts.routes()
        planned = frozenset(self._plan.own)
        own = frozenset(row.shard for row in rows if row.residence == "own" and not row.shard.startswith("companion:"))
        if own == planned:
            return
        async with asyncio.timeout(self._plan.lease_s * 2):
            while not await self._hosts.plan_own(sorted(planned)):
                await self._hosts.fence_stale(self._plan.lease_s)
                await asyncio.sleep(self._plan.round_s / 4)


async def refuse_second_cluster(hosts: PostgresHosts, quiet_s: float = 2.5) -> None:
    """Wait until the hosts of an earlier run are silent. Raises StartFailed when they are not: a world runs once."""
    for _ in range(int(quiet_s * 4) + 1):
        beating = [host for host in await hosts.alive() if host.silent_s < quiet_s]
        if not beating:
            return
        await asyncio.sleep(0.25)
    names = ", ".join(host.name for host in beating)
    raise StartFailed("the world", f"it already runs ({names} answer the database)", "Stop it first: ganggpt down")
