"""One seed: build a world, let it play under faults, heal it, let it come to rest, ask the checkers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import warnings
from collections.abc import Coroutine
from functools import cache
from random import Random
from typing import Any, Final

import msgspec

from ganggpt.actors.routing.shards import shared_shards
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.player import rules as player
from ganggpt.simulation.clients import Client, play
from ganggpt.simulation.cluster import Cluster, Setup
from ganggpt.simulation.database import SimDatabase
from ganggpt.simulation.faults import Faults
from ganggpt.simulation.history import EarlierLife, take
from ganggpt.simulation.invariants import Invariants, Violation
from ganggpt.simulation.loop import Scheduler
from ganggpt.simulation.network import Network
from ganggpt.simulation.scenario import CALM, Scenario
from ganggpt.simulation.sheet import WORLD, TerseMind, cast_of
from ganggpt.testing.memory_stores import MemoryDatabase

BEGAN_S: Final = 1_800_000_000.0
PAST_S_MAX: Final = 600.0
SAMPLE_S: Final = 0.5
LOOK_S: Final = 0.1
PLAY_S_MAX: Final = 120.0
REST_S_MAX: Final = 60.0
_LOG: Final = logging.getLogger("ganggpt.actors")
_CAST: Final = cast_of(WORLD)


class SeedOutcome(msgspec.Struct, frozen=True):
    """What became of one seed. ``story``: what went wrong on purpose and when; ``digest``: of all that ran."""

    seed: int
    violations: list[Violation]
    commands: int
    virtual_s: float
    story: list[str]
    counts: dict[str, int]
    digest: str | None = None


class Trial:
    """Owns one simulated world."""

    def __init__(self, seed: int, scenario: Scenario, past: EarlierLife | None) -> None:
        # The runtime's retries draw their waits from Python's own dice.
        random.seed(seed)
        dice = Random(f"{seed} trial")
        self.seed = seed
        self.scenario = scenario
        self.mistakes: list[str] = []
        self.scheduler = Scheduler(Random(f"{seed} order"))
        self.network = Network(self.scheduler, Random(f"{seed} network"), self.mistakes.append)
        began_s = BEGAN_S if past is None else past.begin_s(dice)
        shards = dict.fromkeys(shared_shards(scenario.shards), "shared")
        tables = MemoryDatabase(lambda: began_s + self.scheduler.now_s, shards)
        self.database = SimDatabase(self.network, tables, Random(f"{seed} database"))
        if past is not None:
            past.restore(self.database)
        self.database.start()
        setup = Setup(
            scenario.plan,
            scenario.options,
            scenario.routing,
            WORLD,
            _CAST,
            TerseMind(),
            scenario.bridges,
            scenario.deadline_s,
        )
        self.clusters: dict[str, Cluster] = {}
        for name in scenario.clusters:
            tables.bridges[name] = name
            Cluster(name, self.network, self.database, setup, Random(f"{seed} {name}"), self.clusters)
        self.clusters[scenario.clusters[0]].start()
        self.faults = Faults(self.network, self.database, self.clusters, Random(f"{seed} faults"))
        self.outside = self.network.spawn("outside")
        names = [f"ls-{n}" for n in range(scenario.clients)]
        self.clients = [Client(self.outside, self.clusters, n, tables.clock, Random(f"{seed} {n}")) for n in names]
        for client, ahead_s in zip(self.clients, scenario.clocks_s, strict=False):
            client.ahead_s = ahead_s
        self._playing = 0
        self._digest: hashlib.blake2b | None = None
        self.invariants = Invariants(self.database, self.clusters, self.clients)

    def play(self) -> SeedOutcome:
        """Play, end all faults, wait until the world rests, and check the invariants."""
        scenario, scheduler, invariants = self.scenario, self.scheduler, self.invariants
        self.faults.plan(scenario.faults, *scenario.fault_s)
        scheduler.at(scenario.heal_s, self.faults.heal)
        scheduler.at(SAMPLE_S, self._sample)
        for n, client in enumerate(self.clients):
            for m in range(scenario.sessions):
                session = Random(f"{self.seed} {client.name} {m}")
                self.start(play(client, client.name, (f"p{n}a", f"p{n}b"), scenario.steps, session))
        if not scheduler.run(PLAY_S_MAX):
            invariants.wrong("answered in time", f"a client still waits after {PLAY_S_MAX} s: {invariants.unrest()}")
        scheduler.run(max(scenario.heal_s, scheduler.now_s) + 0.1)
        if self.rest():
            invariants.at_rest()
        else:
            invariants.wrong("comes to rest", invariants.unrest())
        for mistake in self.mistakes:
            invariants.wrong("mistake", mistake)
        return self.end()

    def trace(self) -> None:
        """Keep a digest of everything that runs, in its order."""
        self._digest = hashlib.blake2b(digest_size=16)
        self.scheduler.trace = self._traced

    def start(self, session: Coroutine[Any, Any, None]) -> None:
        """Start a session outside of the cluster; the scheduler stops when all sessions have ended."""
        self._playing += 1
        self.outside.loop.start(session).add_done_callback(self._ended)

    def rest(self) -> bool:
        """Run until no work is in progress; whether that was reached in time."""
        self.scheduler.at(self.scheduler.now_s, self._look)
        return self.scheduler.run(self.scheduler.now_s + REST_S_MAX)

    def end(self) -> SeedOutcome:
        """End every process and return the result of the seed."""
        for process in list(self.network.processes):
            self.network.kill(process)
        counts: dict[str, Any] = {
            "batches": self.scheduler.batches,
            "messages": self.network.messages,
            "commits": self.database.asked["journal.append"],
            "hand_overs": self.database.asked["hosts.hand_over"],
            "incarnations": self.database.asked["hosts.register"],
            "reads": sum(client.reads for client in self.clients),
            "stale_reads": sum(client.stale_reads for client in self.clients),
            "refused_then_applied": self.invariants.refused_then_applied,
            "turns": sum(map(len, self.database.tables.turns.values())),
        }
        commands = sum(len(client.record) for client in self.clients)
        return SeedOutcome(
            self.seed,
            self.invariants.violations,
            commands,
            self.scheduler.now_s,
            self.faults.story,
            counts,
            self._whole_digest(),
        )

    def _ended(self, session: asyncio.Task[None]) -> None:
        self._playing -= 1
        self.scheduler.stop = not self._playing
        if not session.cancelled():
            session.result()

    def _look(self) -> None:
        if self.invariants.is_at_rest():
            self.scheduler.stop = True
        else:
            self.scheduler.at(self.scheduler.now_s + LOOK_S, self._look)

    def _traced(self, name: str, callbacks: int) -> None:
        assert self._digest is not None
        self._digest.update(f"{self.scheduler.now_s!r} {name} {callbacks}\n".encode())

    def _whole_digest(self) -> str | None:
        """The digest of all callbacks and of the final journal."""
        if self._digest is None:
            return None
        for actor, turns in self.database.tables.turns.items():
            for seq, command_id, body, epoch in turns:
                self._digest.update(f"{actor} {seq} {epoch} ".encode() + command_id + body)
        return self._digest.hexdigest()

    def _sample(self) -> None:
        self.invariants.sample()
        self.scheduler.at(self.scheduler.now_s + SAMPLE_S, self._sample)


async def earlier(client: Client) -> None:
    """What happened in a world before a run begins. It leaves factions with political turns to come and missions on
    offer, so that every run has reminders that come due."""
    for name in ("ada", "ben"):
        await client.do(f"player:{name}", "server:ls-0", player.Join(name, "ls-0"))
        await client.do("npc:mara", f"player:{name}", npc.AskForWork())
        await asyncio.sleep(20)
    await client.do("companion:rex", "player:ada", companion.Recruit("player:ada", "Rex", "scout", {"courage": 50}))
    for name in ("harbour", "vipers", "council"):
        await client.do(f"faction:{name}", "server:ls-0", faction.ShiftRelation("harbour", 3, "old times"))
        await asyncio.sleep(20)


@cache
def history() -> EarlierLife:
    """The one earlier life, the same for every seed and in every process: a trial without faults."""
    trial = Trial(0, CALM, None)
    trial.start(earlier(trial.clients[0]))
    if not trial.scheduler.run(PAST_S_MAX) or not trial.rest() or trial.mistakes or trial.invariants.violations:
        raise AssertionError(f"no history: {trial.invariants.unrest()} {trial.mistakes} {trial.invariants.violations}")
    found = take(trial.database)
    trial.end()
    return found


def run_seed(seed: int, scenario: Scenario, *, traced: bool = False) -> SeedOutcome:
    """Play one seed."""
    past, dice, logged = history(), random.getstate(), _LOG.level
    _LOG.setLevel(_LOG.level if traced else logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # A process that is killed leaves coroutines that were never awaited, as real ones do.
            warnings.simplefilter("ignore", RuntimeWarning)
            trial = Trial(seed, scenario, past)
            if traced:
                trial.trace()
            return trial.play()
    finally:
        random.setstate(dice)
        _LOG.setLevel(logged)
