"""A fault run: round after round breaks one thing under load, and at the end the journal is held against the record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from ganggpt.errors import ConfigInvalid
from ganggpt.persistence.audit import turns_of_dead, verdict
from ganggpt.testing.chaos.crowd import PATIENCE, Crowd, Tally, crowd_of
from ganggpt.testing.chaos.kinds import KINDS, Kind, Scene, Struck
from ganggpt.testing.chaos.record import AckRecord
from ganggpt.testing.chaos.world import ChaosWorld

_WHOLE_S: Final = 120.0
_AGAIN_MAX: Final = 200
RECORD_FILE: Final = "acks.txt"


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """What a run does. ``calm_s``: seconds of load before and after each fault; ``probes``: how many actors of the struck
    process have their way back timed."""

    rounds: int = 10
    seed: int = 1
    kinds: tuple[str, ...] = tuple(KINDS)
    actors: int = 10_000
    per_s: float = 1_000.0
    probes: int = 500
    hosts: int = 2
    own: int = 2
    calm_s: float = 3.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One fault and what it cost. Times in seconds, latencies in milliseconds. ``rto``: from the fault to the ack of a
    command that was sent right after it, over the probed actors. ``p99_*``: of the load, before and after the fault."""

    round: int
    kind: str
    what: str
    probes: int
    unanswered: int
    rto_p50_s: float
    rto_p99_s: float
    p99_before_ms: float
    p99_during_ms: float
    acked: int
    contradictions: int
    late_commits: int
    note: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run; ``passed`` is what the exit status says."""

    rounds: int
    seed: int
    acked: int
    turns: int
    lost: int
    doubled: int
    double_writers: int
    contradictions: int
    late_commits: int
    holes: int
    unanswered: int
    rto_p50_s: dict[str, float]
    rto_p99_s: dict[str, float]
    passed: bool


def kinds_of_rounds(kinds: Sequence[str], rounds: int, seed: int) -> Iterator[Kind]:
    """The kind of each round: every kind once in shuffled order, then again in another."""
    dice = Random(seed)  # noqa: S311 - a seed has to reproduce a run
    block: list[str] = []
    for _ in range(rounds):
        if not block:
            block = dice.sample(sorted(kinds), len(kinds))
        yield KINDS[block.pop()]


def checked(plan: ChaosPlan) -> ChaosPlan:
    """The plan, if it can be run. Raises ConfigInvalid with the fix."""
    if plan.rounds < 1:
        raise ConfigInvalid("--rounds", f"{plan.rounds} rounds prove nothing", "Give at least 1.")
    for name in plan.kinds:
        if name not in KINDS:
            raise ConfigInvalid("--only", f"there is no fault {name!r}", f"Choose from: {', '.join(KINDS)}.")
    return plan


class ChaosRun:
    """Owns one run in a directory of its own. ``tell`` hears of every round when it begins (kind) and ends."""

    def __init__(self, data_dir: Path, plan: ChaosPlan, tell: Callable[[int, str | Round], None]) -> None:
        self._plan = checked(plan)
        self._tell = tell
        self._data_dir = data_dir
        self._world = ChaosWorld(data_dir, hosts=plan.hosts, own=plan.own)
        self._dead: dict[int, int] = {}
        self._rto_s: dict[str, list[float]] = {}
        self._rounds: list[Round] = []

    async def play(self) -> Summary:
        """All rounds. Raises GangGPTError where the world did not come up or not come back."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with AckRecord(self._data_dir / RECORD_FILE) as record:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._world.stop)
                await self._world.start()
                load = await stack.enter_async_context(self._world.game_server("chaos-load", **_FAR_END))
                probes = await stack.enter_async_context(self._world.game_server("chaos-probes", **_FAR_END))
                crowd = Crowd(load, probes, record, crowd_of(self._plan.actors, self._world.own))
                await crowd.spawn()
                loading = asyncio.create_task(crowd.run(self._plan.per_s))
                try:
                    await self._all_rounds(crowd, record)
                finally:
                    loading.cancel()
                    await asyncio.wait([loading])
                await self._late_commits()
                return await self._summary(record)

    async def _all_rounds(self, crowd: Crowd, record: AckRecord) -> None:
        dice = Random(self._plan.seed)  # noqa: S311 - a seed has to reproduce a run
        scene = Scene(self._world, crowd.actors, dice)
        kinds = kinds_of_rounds(self._plan.kinds, self._plan.rounds, self._plan.seed)
        for number, kind in enumerate(kinds, 1):
            self._tell(number, kind.name)
            done = await self._round(number, kind, scene, crowd, record)
            self._rounds.append(done)
            self._tell(number, done)

    async def _round(self, number: int, kind: Kind, scene: Scene, crowd: Crowd, record: AckRecord) -> Round:
        await self._world.whole(_WHOLE_S)
        await crowd.quiet(_WHOLE_S)
        crowd.tally, acked, contradictions = Tally(), record.acked, record.contradictions
        await asyncio.sleep(self._plan.calm_s)
        struck = await kind.strike(scene)
        before = list(crowd.tally.samples)
        rto_s, note = await self._until_back(struck, scene, crowd)
        await self._world.whole(_WHOLE_S)
        await asyncio.sleep(self._plan.calm_s)
        await crowd.ask_again(scene.dice.sample(before, min(_AGAIN_MAX, len(before))))
        answered = sorted(seconds for seconds in rto_s if seconds is not None)
        self._rto_s.setdefault(kind.name, []).extend(answered)
        during = [sample for sample in crowd.tally.samples if sample.sent_s >= struck.at_s]
        return Round(
            round=number,
            kind=kind.name,
            what=struck.what,
            probes=len(rto_s),
            unanswered=crowd.tally.refused.total(),
            rto_p50_s=quantile(answered, 0.5),
            rto_p99_s=quantile(answered, 0.99),
            p99_before_ms=quantile(sorted(sample.took_s for sample in before), 0.99) * 1000,
            p99_during_ms=quantile(sorted(sample.took_s for sample in during), 0.99) * 1000,
            acked=record.acked - acked,
            contradictions=record.contradictions - contradictions,
            late_commits=await self._late_commits(),
            note=note,
        )

    async def _until_back(self, struck: Struck, scene: Scene, crowd: Crowd) -> tuple[list[float | None], str]:
        hit = struck.actors or scene.actors
        probed = scene.dice.sample(list(hit), min(self._plan.probes, len(hit)))
        async with asyncio.TaskGroup() as tasks:
            probing = tasks.create_task(crowd.probe(probed))
            mending = tasks.create_task(struck.mend())
        back = [None if at_s is None else at_s - struck.at_s for at_s in probing.result()]
        return back, mending.result()

    async def _late_commits(self) -> int:
        """Turns that epochs have written after they were seen dead."""
        now = await turns_of_dead(self._world.pool)
        late = sum(max(0, now.get(epoch, turns) - turns) for epoch, turns in self._dead.items())
        self._dead = now
        return late

    async def _summary(self, record: AckRecord) -> Summary:
        judged = await verdict(self._world.pool, record.promised())
        late_commits = sum(done.late_commits for done in self._rounds)
        unanswered = sum(done.unanswered for done in self._rounds)
        broken = judged.lost + judged.doubled + judged.double_writers + judged.holes
        return Summary(
            rounds=len(self._rounds),
            seed=self._plan.seed,
            acked=judged.acked,
            turns=judged.turns,
            lost=judged.lost,
            doubled=judged.doubled,
            double_writers=judged.double_writers,
            contradictions=record.contradictions,
            late_commits=late_commits,
            holes=judged.holes,
            unanswered=unanswered,
            rto_p50_s={kind: quantile(sorted(took_s), 0.5) for kind, took_s in sorted(self._rto_s.items())},
            rto_p99_s={kind: quantile(sorted(took_s), 0.99) for kind, took_s in sorted(self._rto_s.items())},
            passed=not (broken + late_commits + unanswered + record.contradictions),
        )


_FAR_END: Final = {"patience": PATIENCE, "in_flight_max": 4000}


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """A quantile of sorted numbers, rounded to milliseconds; 0 of none."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * fraction))], 3) if ordered else 0.0
