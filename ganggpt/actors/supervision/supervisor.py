"""The supervisor: makes sure that every shard has a live host. All its knowledge is in Postgres.

It may end and restart anywhere; running hosts do not need it. It starts hosts, gives the shards of ended hosts to live
ones as soon as their process has ended, fences silent hosts, and moves shards between live hosts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

from ganggpt.actors.clock import loop_s
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.actors.routing.table import residences_of
from ganggpt.actors.supervision.background_task import BackgroundTask
from ganggpt.actors.supervision.placement import Move, moves, spread, transfers
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.scaler import Scaler
from ganggpt.actors.supervision.scaling import names_wanted
from ganggpt.actors.supervision.takeover import Role, Takeover
from ganggpt.errors import CommitUnknown, Moved, StartFailed, Unavailable
from ganggpt.persistence.ports.hosts import LiveHost, Ownership, RouteRow

log = logging.getLogger(__name__)

UPKEEP_EVERY_S: Final = 3600.0
BLIND_GRACE_S: Final = 5.0
"""How long after an outage of the database no host is fenced: all were silent, and come back one by one."""
MOVES_A_ROUND: Final = 8
_NOT_NOW = (Unavailable, Moved, CommitUnknown)
"""Errors of a host that cannot do now what the supervisor asks; the next round tries again."""


class Fleet(Protocol):
    """How host processes are started and reached; Ray in production, plain tasks in tests."""

    async def start(self, name: str, kind: str) -> None:
        """Start a host process, or find the one that runs; returns once it answers. Raises Unavailable."""
        ...

    async def restart(self, name: str, kind: str) -> None:
        """End a host process that fell silent; it starts anew by itself. Raises Unavailable."""
        ...

    async def stop(self, name: str) -> None:
        """End a host process for good. Harmless where none runs."""
        ...

    async def ended(self, name: str) -> None:
        """Wait until the process that carries this host has ended."""
        ...

    async def refresh(self, name: str) -> None:
        """Tell a host that its shards changed. Raises Unavailable."""
        ...

    async def hand_over(self, name: str, shards: Sequence[str], cluster: str, heir: str) -> float:
        """Let a host give shards to another one; returns how many seconds they stood still. Raises Unavailable, Moved,
        CommitUnknown."""
        ...

    async def promote(self, name: str, actor: str) -> None:
        """Let a host make an actor a shard of its own, which it still holds. Raises as ``hand_over``."""
        ...

    async def demote(self, name: str, actor: str) -> None:
        """Let a host put an actor back into its hash shard; it holds both. Raises as ``hand_over``."""
        ...

    async def draining_nodes(self) -> frozenset[str]:
        """Nodes that will be gone soon."""
        ...


class Supervisor:
    """Owns no state but the plan and its own tasks. Call ``boot`` once, then ``run``.

    ``upkeep`` is called every hour. ``orders``: work that every round starts in the background, such as erasing a
    player.
    """

    def __init__(
        self,
        hosts: Ownership,
        fleet: Fleet,
        plan: Plan,
        takeover: Takeover,
        upkeep: Callable[[], Awaitable[object]],
        scaler: Scaler | None = None,
        orders: BackgroundTask | None = None,
    ) -> None:
        self._hosts = hosts
        self._fleet = fleet
        self._plan = plan
        self._takeover = takeover
        self._upkeep = upkeep
        self._scaler = scaler
        self._orders = orders
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._first_seen_s: dict[int, float] = {}
        self._gate = asyncio.Semaphore(plan.starts_at_once)
        self._fences_from_s = 0.0
        self._upkeep_at_s = 0.0

    async def boot(self) -> None:
        """Settle residences, start the shared hosts and give them all shards. Idempotent: a restarted supervisor finds
        everything in place. ``run`` starts the hosts of single actors, because that takes a while on a small machine;
        until then a shared host carries their actor. Raises Unavailable."""
        await self._takeover.begin()
        await self._settle_residences()
        if self._scaler is not None:
            await self._scaler.recall()
        live = [host for host in await self._hosts.alive() if host.cluster == self._hosts.cluster]
        shared = self._shared_hosts(self._plan.hosts, live, frozenset())
        started = await asyncio.gather(*(self._start(name, "shared") for name in shared), return_exceptions=True)
        failed = [error for error in started if isinstance(error, BaseException)]
        # The others are started by ``run``, once there is a node for them.
        if len(failed) == len(started):
            raise failed[0]
        await self._adopt_orphans(await self._takeover.poll(await self._hosts.alive()))

    async def run(self) -> None:
        """Run rounds until cancelled, and the upkeep every hour.

        A second task guards live hosts meanwhile, because a round may wait for the very host that fell silent.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._again_and_again(self._guard))
                tasks.create_task(self._again_and_again(self._round_and_upkeep))
        finally:
            await self.close()

    async def _again_and_again(self, work: Callable[[], Awaitable[bool]]) -> None:
        while True:
            pause_s = self._plan.round_s
            try:
                if await work():
                    pause_s = 0
            except Unavailable as outage:
                log.warning("the supervisor waits: %s", outage)
                self._fences_from_s = loop_s() + BLIND_GRACE_S
            await asyncio.sleep(pause_s)

    async def _round_and_upkeep(self) -> bool:
        urgent = await self.round()
        if self._orders is not None:
            self._orders.start()
        if loop_s() >= self._upkeep_at_s:
            await self._upkeep()
            self._upkeep_at_s = loop_s() + UPKEEP_EVERY_S
        return urgent

    async def _guard(self) -> bool:
        """Fence silent hosts, assign shards without a host, and watch every process of this cluster. Never urgent."""
        if loop_s() >= self._fences_from_s:
            for gone in await self._hosts.fence_stale(self._plan.lease_s):
                log.warning("host %s was silent for %.0f s and is fenced", gone.name, self._plan.lease_s)
                if gone.cluster == self._hosts.cluster:
                    self._later(f"restart {gone.name}", self._fleet.restart(gone.name, gone.kind))
        for host in await self._adopt_orphans(await self._takeover.poll(await self._hosts.alive())):
            self._later(f"watch {host.epoch}", self._until_end(host))
        return False

    async def close(self) -> None:
        """Cancel its own tasks; the hosts continue."""
        if self._orders is not None:
            await self._orders.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def round(self) -> bool:
        """One round: assign shards without a host, start what is missing, move what should be elsewhere. Returns
        whether the next round is urgent, because shards must still leave a node that will be gone."""
        role = await self._takeover.poll(await self._hosts.alive())
        await self._end_overdue(role.overdue)
        live = await self._adopt_orphans(role)
        rows = await self._hosts.routes()
        if role.heirs:
            await self._transfer(rows, live, role.heirs)
            return False
        draining = await self._fleet.draining_nodes()
        shared = self._shared_hosts(self._hosts_wanted, live, draining)
        self._start_missing(rows, live, shared)
        await self._promote_companions(rows, live)
        leaving = frozenset(
            host.name for host in live if host.node in draining or (host.kind == "shared" and host.name not in shared)
        )
        wanted = moves(rows, self._ready(rows, live, leaving), leaving, MOVES_A_ROUND)
        moved = await self._carry_out(wanted)
        if not wanted:
            self._end_empty(rows, live, leaving)
        if self._scaler is not None and self._scaler.due:
            names = [host.name for host in live if host.kind == "shared"]
            self._later("poll the load", self._scaler.poll(names, shared))
        going = {host.name for host in live if host.node in draining}
        return any(move.giver in going for move in moved)

    def _ready(self, rows: Sequence[RouteRow], live: Sequence[LiveHost], leaving: Collection[str]) -> list[LiveHost]:
        """The live hosts without those that have just started: bridges find these first, so that the first command for
        a moved shard need not wait for that. Where there is no other host, a fresh one is used."""
        now_s = loop_s()
        self._first_seen_s = {host.epoch: self._first_seen_s.get(host.epoch, now_s) for host in live}
        holding = {row.epoch for row in rows}
        ready = [h for h in live if h.epoch in holding or now_s - self._first_seen_s[h.epoch] >= self._plan.fresh_s]
        stays = any(host.kind == "shared" and host.name not in leaving for host in ready)
        return ready if stays else list(live)

    @property
    def _hosts_wanted(self) -> int:
        return self._plan.hosts if self._scaler is None else self._scaler.wanted

    def _shared_hosts(self, count: int, live: Sequence[LiveHost], draining: Collection[str]) -> list[str]:
        """Names of the shared hosts to have. A host whose node will be gone is replaced by another one."""
        shared = [host for host in live if host.kind == "shared"]
        going = {host.name for host in shared if host.node in draining}
        return names_wanted(count, [host.name for host in shared], going, self._starting())

    async def _end_overdue(self, overdue: Sequence[LiveHost]) -> None:
        """Fence hosts of other clusters that still hold shards after their deadline. Hosts that hold none are left
        alone."""
        holding = {row.epoch for row in await self._hosts.routes()} if overdue else set()
        for host in overdue:
            if host.epoch in holding:
                log.warning("host %s of cluster %s did not hand over in time and is fenced", host.name, host.cluster)
                await self._hosts.fence(host.epoch)

    async def _until_end(self, host: LiveHost) -> None:
        """Wait for the end of a host's process, which Ray reports at once, so that its shards need not wait for the
        lease."""
        await self._fleet.ended(host.name)
        if await self._hosts.fence(host.epoch):
            log.warning("the process of host %s ended; its shards go to others", host.name)
        await self._adopt_orphans(await self._takeover.poll(await self._hosts.alive()))

    async def _adopt_orphans(self, role: Role) -> Sequence[LiveHost]:
        """Give every shard without a live host to the shared hosts of this cluster; returns the live hosts of the
        cluster."""
        live = [host for host in await self._hosts.alive() if host.cluster == self._hosts.cluster]
        if not role.adopts:
            return live
        rows = await self._hosts.routes()
        wanted = spread(rows, [host for host in live if host.kind == "shared"])
        if wanted:
            await self._hosts.assign(wanted)
            # A host that cannot be reached now learns of it at its next heartbeat.
            for name in dict.fromkeys(wanted.values()):
                self._later(f"refresh {name}", self._fleet.refresh(name))
        return live

    def _start_missing(self, rows: Sequence[RouteRow], live: Sequence[LiveHost], shared: Sequence[str]) -> None:
        running = {host.name for host in live}
        wanted = dict.fromkeys(shared, "shared")
        wanted |= {row.shard: "own" for row in rows if row.residence == "own"}
        for name, kind in wanted.items():
            if name not in running:
                self._later(f"start {name}", self._start(name, kind))
        self._forget_starts(running | wanted.keys())

    def _forget_starts(self, but: Collection[str]) -> None:
        """Cancel the start of shared hosts that still wait for a node and are no longer wanted."""
        for name in self._starting():
            if name not in but:
                self._tasks[f"start {name}"].cancel()
                self._later(f"stop {name}", self._fleet.stop(name))

    def _starting(self) -> list[str]:
        """Shared hosts that are being started, or wait for a node."""
        return [task.removeprefix("start ") for task in self._tasks if task.startswith("start host:")]

    async def _start(self, name: str, kind: str) -> None:
        if kind == "shared":
            # May wait minutes for a node, which must not delay other hosts.
            await self._fleet.start(name, kind)
            return
        async with self._gate:
            await self._fleet.start(name, kind)

    def _end_empty(self, rows: Sequence[RouteRow], live: Sequence[LiveHost], leaving: Collection[str]) -> None:
        """End the processes of emptied hosts. Those of single actors start again on another node."""
        holding = {row.epoch for row in rows}
        for host in live:
            if host.name not in leaving or host.epoch in holding:
                continue
            if host.kind == "own":
                self._later(f"restart {host.name}", self._fleet.restart(host.name, host.kind))
            else:
                self._later(f"stop {host.name}", self._fleet.stop(host.name))

    async def _transfer(self, rows: Sequence[RouteRow], live: Sequence[LiveHost], heirs: Sequence[LiveHost]) -> None:
        """Hand every shard over to the hosts of another cluster, which is the owner now."""
        await self._carry_out(transfers(rows, live, heirs), heirs[0].cluster)

    async def _carry_out(self, wanted: Sequence[Move], cluster: str | None = None) -> list[Move]:
        """Carry out moves one after another; returns those that were done. A host that refused (it may first have to
        flush thousands of actors of an ended host) is not asked again in this round."""
        done: list[Move] = []
        busy: list[str] = []
        for move in wanted:
            if move.giver in busy:
                continue
            if await self._move(move, cluster):
                done.append(move)
            else:
                busy.append(move.giver)
        return done

    async def _move(self, move: Move, cluster: str | None = None) -> bool:
        """Let a host of this cluster hand over to a host of this or of another ``cluster``; whether it did."""
        try:
            frozen_s = await self._fleet.hand_over(move.giver, move.shards, cluster or self._hosts.cluster, move.heir)
        except _NOT_NOW as not_now:
            log.warning("%s keeps %s: %s", move.giver, ", ".join(move.shards), not_now)
            return False
        log.info("%s went from %s to %s in %.0f ms", ", ".join(move.shards), move.giver, move.heir, frozen_s * 1000)
        if cluster is None:
            self._later(f"refresh {move.heir}", self._fleet.refresh(move.heir))
        return True

    async def _promote_companions(self, rows: Sequence[RouteRow], live: Sequence[LiveHost]) -> None:
        """Give companions of online players a process of their own while there is room, and take it back afterwards."""
        promoted = [row for row in rows if row.residence == "own" and row.shard.startswith("companion:")]
        if not promoted and not self._plan.companions_max:
            return
        names = {host.epoch: host.name for host in live}
        holders = {row.shard: names[row.epoch] for row in rows if row.epoch in names}
        residences = residences_of(rows)
        wanted = await self._hosts.companions_at_play(self._plan.companions_max)
        for row in promoted:
            if row.shard not in wanted:
                await self._bring_home(row.shard, holders, shared_shard(row.shard, residences.shards))
        for actor in wanted:
            holder = holders.get(residences.shard_of(actor))
            if actor not in residences.own and holder is not None:
                await self._ask(self._fleet.promote(holder, actor))

    async def _bring_home(self, actor: str, holders: Mapping[str, str], hash_shard: str) -> None:
        there, home = holders.get(actor), holders.get(hash_shard)
        if there is None or home is None or (there != home and not await self._move(Move((actor,), there, home))):
            return
        if await self._ask(self._fleet.demote(home, actor)):
            await self._fleet.stop(actor)

    async def _ask(self, work: Awaitable[object]) -> bool:
        try:
            await work
        except _NOT_NOW as not_now:
            log.warning("a host cannot do this now: %s", not_now)
            return False
        return True

    def _later(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """Do something in the background unless it is running already. The next round tries a failure again."""
        if name in self._tasks:
            work.close()
            return

        async def do() -> None:
            try:
                await work
            except _NOT_NOW as not_now:
                log.warning("%s: %s", name, not_now)

        task = asyncio.get_running_loop().create_task(do(), name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _settle_residences(self) -> None:
        rows = await self._hosts.routes()
        if any(host.cluster != self._hosts.cluster for host in await self._hosts.alive()):
            return  # residences do not change while another cluster uses them
        planned = sorted(self._plan.own)
        own = sorted(r.shard for r in rows if r.residence == "own" and not r.shard.startswith("companion:"))
        if own == planned:
            return
        shards = residences_of(rows).shards
        back = {r.shard: shared_shard(r.shard, shards) for r in rows if r.residence == "own" and r.shard not in planned}
        for _ in range(int(self._plan.lease_s * 2 / self._plan.round_s) + 1):
            if await self._hosts.plan_own(planned, back):
                return
            await self._hosts.fence_stale(self._plan.lease_s)
            await asyncio.sleep(self._plan.round_s)
        raise StartFailed("Hosts of an earlier run of this world still live.", "Stop them first with `ganggpt down`.")


async def refuse_second_run(hosts: Ownership, quiet_s: float = 2.5) -> None:
    """Wait until the hosts of an earlier run of this cluster are silent, and fence them. Raises StartFailed where they
    are not silent, because a cluster runs a world only once."""
    for _ in range(int(quiet_s * 4) + 1):
        ours = [host for host in await hosts.alive() if host.cluster == hosts.cluster]
        beating = [host for host in ours if host.silent_s < quiet_s]
        if not beating:
            for host in ours:
                await hosts.fence(host.epoch)
            return
        await asyncio.sleep(0.25)
    names = ", ".join(host.name for host in beating)
    raise StartFailed(f"The world already runs: its hosts are {names}.", "Stop it first with `ganggpt down`.")
