"""What a simulated world is like: how big, how long, how bad."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from ganggpt.actors.host.dedupe import WindowLimits
from ganggpt.actors.host.host import HostOptions
from ganggpt.actors.routing.router import RouterOptions
from ganggpt.actors.supervision.plan import Plan

SMALL_HOST: Final = HostOptions(
    idle_s=3.0, hot_max=8, mailbox_max=16, snapshot_every=6, sweep_s=2.0, reminder_s=1.0, delivery_s=4.0, poll_s=5.0
)
"""Everything happens sooner than in production, so that a short run sees it."""


SMALL_PLAN: Final = Plan(2, (), lease_s=2.5, round_s=1.5)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``faults`` are drawn for each seed and fall into ``fault_s``; all is healed at ``heal_s``. ``sessions``: scripts
    played at once by each client, each of so many ``steps``. ``clusters``: the first runs from the beginning, the
    others join among the faults; after ``deadline_s`` the one that should hold the world fences hosts of others that
    hold on to it. ``clocks_s``: how far the clocks of the clients are ahead (negative: behind).
    Seconds are virtual."""

    name: str
    clients: int = 2
    sessions: int = 1
    steps: int = 16
    shards: int = 6
    bridges: int = 2
    clusters: tuple[str, ...] = ("blue",)
    clocks_s: tuple[float, ...] = ()
    deadline_s: float = 5.0
    faults: tuple[int, int] = (1, 4)
    fault_s: tuple[float, float] = (0.3, 5.0)
    heal_s: float = 6.0
    plan: Plan = SMALL_PLAN
    options: HostOptions = SMALL_HOST
    routing: RouterOptions = field(default_factory=lambda: RouterOptions(deadline_s=6.0, call_s=4.0, queue_max=64))


CALM: Final = Scenario("calm", clients=1, steps=0, faults=(0, 0), heal_s=0.0)
SMALL: Final = Scenario("small")
MIXED: Final = Scenario(
    "mixed",
    clients=3,
    sessions=2,
    steps=24,
    shards=12,
    bridges=3,
    faults=(3, 9),
    fault_s=(0.3, 12.0),
    heal_s=14.0,
    plan=Plan(3, ("faction:harbour", "npc:mara"), companions_max=1, lease_s=2.5),
)

CLUSTERS: Final = replace(
    MIXED, name="clusters", clients=2, clusters=("blue", "green"), plan=Plan(2, ("faction:harbour",), lease_s=2.5)
)

CLOCKS: Final = Scenario(
    "clocks",
    clients=5,
    sessions=2,
    steps=16,
    clocks_s=(0.0, 6.0, 6.5, -1.5, -45.0),
    options=replace(SMALL_HOST, window=WindowLimits(ahead_max=2, slack_s=2.0)),
)
"""Clients 1 and 2 are so far ahead that their ids need room of their own, and there is little of it."""

SCENARIOS: Final = {scenario.name: scenario for scenario in (SMALL, MIXED, CLUSTERS, CLOCKS, CALM)}
