"""The cases each system runs, and the load generator as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bench.load_run import Measured, Plan
from bench.processes import ROOT, python
from bench.result import ALONE, FRAMES100, SINGLE
from bench.systems import Address
from ganggpt.errors import Unavailable

OBSERVE: Final[dict[str, Any]] = {"what": "somebody ran past the pier, number {n}", "weight": 5, "about": None}
_SLACK_S: Final = 180.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load. ``connections`` × ``window`` frames of ``per_frame`` events are in flight."""

    name: str
    connections: int
    window: int
    per_frame: int
    warm_s: float
    seconds: float

    def plan(self, address: Address, to: Sequence[str]) -> Plan:
        """The case against one system."""
        return Plan(
            url=address.url,
            transport=address.transport,
            token=address.token,
            server="bench",
            to=tuple(to),
            do="Observe",
            arguments=OBSERVE,
            connections=self.connections,
            window=self.window,
            per_frame=self.per_frame,
            warm_s=self.warm_s,
            seconds=self.seconds,
        )


def cases_of(system: str, quick: bool) -> list[Case]:
    """All systems get the same cases, but naive Ray: it knows no frames, so its one way is measured and stands for
    both, with 32 requests in flight, where its rate is highest."""
    warm_s, seconds = (1.0, 2.0) if quick else (3.0, 10.0)
    alone = Case(name=ALONE, connections=1, window=1, per_frame=1, warm_s=warm_s, seconds=seconds)
    if system == "naive-ray":
        flood = Case(name=FRAMES100, connections=32, window=1, per_frame=1, warm_s=warm_s, seconds=seconds)
        return [flood, alone]
    return [
        Case(name=FRAMES100, connections=4, window=4, per_frame=100, warm_s=warm_s, seconds=seconds),
        Case(name=SINGLE, connections=4, window=32, per_frame=1, warm_s=warm_s, seconds=seconds),
        alone,
    ]


async def load(plan: Plan) -> Measured:
    """Run the load generator. Raises Unavailable with what it said where it failed."""
    generator = await asyncio.create_subprocess_exec(
        *python("bench.load_generator"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * plan.warm_s + plan.seconds + _SLACK_S):
            said, complained = await generator.communicate(msgspec.json.encode(plan))
    except TimeoutError:
        generator.kill()
        raise Unavailable(f"the load generator at {plan.url}", "it did not end") from None
    if generator.returncode != 0:
        raise Unavailable(f"a measurement at {plan.url}", complained.decode(errors="replace").strip()[-500:])
    return msgspec.json.decode(said, type=Measured)
