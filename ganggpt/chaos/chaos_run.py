"""A fault run: each round breaks one thing under load; at the end the journal is compared with the record of acks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from ganggpt.chaos.ack_record import AckRecord
from ganggpt.chaos.chaos_world import ChaosWorld
from ganggpt.chaos.crowd import PATIENCE, Crowd, LatencySample, Tally, crowd_of
from ganggpt.chaos.fault_kinds import KINDS, FaultKind, Scene, Struck, absent_because
from ganggpt.chaos.node import SecondNode
from ganggpt.chaos.result import Round, Summary, quantile, summed
from ganggpt.chaos.tap import SocketTap
from ganggpt.errors import ConfigInvalid
from ganggpt.persistence.audit import turns_of_dead, verdict

RECORD_FILE: Final = "acks.txt"
_WHOLE_S: Final = 180.0
_AGAIN_MAX: Final = 200
_FAR_END: Final = {"patience": PATIENCE, "in_flight_max": 4000}
_CLOCK_SLACK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """What a run does. ``calm_s``: seconds of load before and after each fault; ``probes``: how many actors of the
    struck process have their way back timed."""

    rounds: int = 10
    seed: int = 1
    kinds: tuple[str, ...] = tuple(KINDS)
    actors: int = 10_000
    per_s: float = 1_000.0
    probes: int = 200
    hosts: int = 2
    own: int = 2
    calm_s: float = 3.0


Tell = Callable[[int, str | Round], None]
"""Called with the number of a round and its kind when it begins, and with its result when it ends."""


def checked(plan: ChaosPlan) -> ChaosPlan:
    """The plan, where it can be run here. Raises ConfigInvalid with the fix."""
    if plan.rounds < 1:
        raise ConfigInvalid("--rounds", f"{plan.rounds} rounds prove nothing", "Give at least 1.")
    if plan.actors < 1 or plan.per_s <= 0:
        raise ConfigInvalid("--actors and --rate", "without load nothing can be lost", "Give at least 1 of each.")
    for name in plan.kinds:
        if name not in KINDS:
            raise ConfigInvalid("--only", f"there is no fault {name!r}", f"Choose from: {', '.join(KINDS)}.")
        if (absent := absent_because(name, plan.own)) is not None:
            raise ConfigInvalid("--only", f"{name} is not possible here", absent)
    return plan


def kinds_of_rounds(kinds: Sequence[str], rounds: int, seed: int) -> Iterator[FaultKind]:
    """The kind of each round: all kinds in shuffled order, then again in another order."""
    dice = Random(seed)  # noqa: S311 - a seed has to reproduce a run
    block: list[str] = []
    for _ in range(rounds):
        if not block:
            block = dice.sample(sorted(kinds), len(kinds))
        yield KINDS[block.pop()]


class ChaosRun:
    """Owns one run in a directory of its own: a world, its load, its record."""

    def __init__(self, data_dir: Path, plan: ChaosPlan, tell: Tell) -> None:
        self.plan = checked(plan)
        self.rounds: list[Round] = []
        self._tell = tell
        self._data_dir = data_dir
        self._world = ChaosWorld(data_dir, hosts=plan.hosts, own=plan.own)
        self._dead: dict[int, int] = {}

    async def play(self) -> Summary:
        """Run all rounds. Raises GangGPTError where the world does not start or does not recover."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        dice = Random(self.plan.seed)  # noqa: S311 - a seed has to reproduce a run
        async with AsyncExitStack() as stack:
            record = stack.enter_context(AckRecord(self._data_dir / RECORD_FILE))
            stack.push_async_callback(self._world.stop)
            await self._world.start()
            tap, node = SocketTap(self._world.postgres_socket), SecondNode(self._world)
            stack.push_async_callback(tap.close)
            stack.push_async_callback(node.stop)
            load = await stack.enter_async_context(self._world.game_server("chaos-load", **_FAR_END))
            probes = await stack.enter_async_context(self._world.game_server("chaos-probes", **_FAR_END))
            crowd = Crowd(load, probes, record, crowd_of(self.plan.actors, self._world.own))
            await crowd.spawn()
            async with crowd.load(self.plan.per_s):
                await self._all_rounds(Scene(self._world, tap, node, crowd.actors, dice), crowd, record)
            last = self.rounds[-1]
            late = last.late_commits + await self._late_commits()
            self.rounds[-1] = msgspec.structs.replace(last, late_commits=late)
            return summed(self.plan.seed, self.rounds, await verdict(self._world.pool, record.promised()))

    async def _all_rounds(self, scene: Scene, crowd: Crowd, record: AckRecord) -> None:
        kinds = kinds_of_rounds(self.plan.kinds, self.plan.rounds, self.plan.seed)
        for number, kind in enumerate(kinds, 1):
            self._tell(number, kind.name)
            done = await self._round(number, kind, scene, crowd, record)
            self.rounds.append(done)
            self._tell(number, done)

    async def _round(self, number: int, kind: FaultKind, scene: Scene, crowd: Crowd, record: AckRecord) -> Round:
        await self._world.whole(_WHOLE_S)
        await crowd.quiet(_WHOLE_S)
        mark, contradictions, since_s = record.mark(), record.contradictions, time.time() - _CLOCK_SLACK_S
        crowd.tally = Tally()
        await kind.prepare(scene)
        await crowd.quiet(_WHOLE_S)
        crowd.tally.samples.clear()
        await asyncio.sleep(self.plan.calm_s)
        struck = await kind.strike(scene)
        before = list(crowd.tally.samples)
        rto_s, note = await self._until_back(struck, scene, crowd)
        await crowd.ask_again(scene.dice.sample(before, min(_AGAIN_MAX, len(before))))
        during = [sample for sample in crowd.tally.samples if sample.sent_s >= struck.at_s]
        judged = await verdict(self._world.pool, record.promised(mark), since_s)
        return Round(
            round=number,
            kind=kind.name,
            what=struck.what,
            acked=judged.acked,
            lost=judged.lost,
            doubled=judged.doubled,
            double_writers=judged.double_writers,
            holes=judged.holes,
            contradictions=record.contradictions - contradictions,
            late_commits=await self._late_commits(),
            unanswered=crowd.tally.refused.total(),
            rto_s=rto_s,
            p99_before_ms=_p99_ms(before),
            p99_during_ms=_p99_ms(during),
            note=note,
        )

    async def _until_back(self, struck: Struck, scene: Scene, crowd: Crowd) -> tuple[list[float], str]:
        """Probe the actors that were hit until after the fault is repaired; their sorted times, and a note."""
        hit = struck.actors or scene.actors
        probed = scene.dice.sample(list(hit), min(self.plan.probes, len(hit)))
        over = asyncio.Event()
        probing = asyncio.create_task(crowd.probe(probed, over))
        try:
            note = await struck.mend()
            await asyncio.sleep(self.plan.calm_s)
            await self._world.whole(_WHOLE_S)
            await crowd.quiet(_WHOLE_S)
            over.set()
            return sorted(round(took_s, 4) for took_s in await probing), note
        finally:
            probing.cancel()

    async def _late_commits(self) -> int:
        """The number of turns that epochs wrote after they were seen dead."""
        now = await turns_of_dead(self._world.pool)
        late = sum(max(0, now.get(epoch, turns) - turns) for epoch, turns in self._dead.items())
        self._dead = now
        return late


def _p99_ms(samples: Sequence[LatencySample]) -> float:
    return round(quantile(sorted(sample.took_s for sample in samples), 0.99) * 1000, 1)
