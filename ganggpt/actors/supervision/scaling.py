"""Decides how many shared hosts a world should have, from the load that the hosts report.

Hosts are added after a few bad polls and removed one by one after a long time of low load, never both within a
cool-down. Only measures count that more hosts make smaller per host. The time of a commit does not count: a slow
database would add hosts, which make it slower. Neither does resident memory: a process keeps it after its actors left.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

STEP_MAX: Final = 2
"""The most hosts added at once. Their effect is awaited before more are added."""
LATE_MAX: Final = 1.5
"""The most that lag counts, in hosts: it does not say how many hosts would end it."""
ROOM: Final = 0.6
"""A host is removed only if the others would carry at most this share of what they should."""
COOL_S: Final = 60.0


class Sample(Struct, frozen=True):
    """The load that one host reports.

    ``cpu``: share of one CPU its process uses. ``lag_s``: how long a command waits before its host reads it.
    ``delay_p99_s``: from arrival to a durable answer; it, ``memory_bytes`` and ``shards`` are only shown to people.
    """

    host: str
    turns_per_s: float = 0.0
    cpu: float = 0.0
    lag_s: float = 0.0
    hot: int = 0
    delay_p99_s: float = 0.0
    memory_bytes: int = 0
    shards: int = 0


@dataclass(frozen=True, slots=True)
class Goals:
    """The most that one host should carry."""

    turns_per_s: float = 6000.0
    cpu: float = 0.8
    lag_s: float = 0.05
    hot: int = 30_000


@dataclass(frozen=True, slots=True)
class Scale:
    """How a world scales: the bounds of the settings, and the pace.

    ``idle_s``: how long fewer hosts must have been enough before one goes; ``bad_polls``: polls in a row that must show
    too much load before hosts are added; ``poll_s``: from one poll to the next.
    """

    least: int
    most: int
    goals: Goals = Goals()
    idle_s: float = 300.0
    bad_polls: int = 3
    poll_s: float = 2.0

    @property
    def cool_s(self) -> float:
        """How long after a step no step in the other direction is taken."""
        return min(COOL_S, self.idle_s)


class HostLimits(Struct, frozen=True):
    """The bounds in force, and the number an operator has fixed, which overrides them."""

    least: int
    most: int
    fixed: int | None = None


class Pace(Struct, frozen=True):
    """What the policy remembers: the wanted number and how long the load has been high or low. ``step``: the last
    change."""

    wanted: int
    busy_polls: int = 0
    calm_since_s: float | None = None
    step: int = 0
    stepped_s: float = -math.inf


def sample_of(host: str, stats: Mapping[str, Any]) -> Sample:
    """A sample from the ``stats`` of a host."""
    return Sample(
        host=host,
        turns_per_s=stats["turns_per_s"],
        cpu=stats.get("cpu", 0.0),
        lag_s=stats["lag_s"],
        hot=stats["hot"],
        delay_p99_s=stats["delay_p99_s"],
        memory_bytes=stats.get("memory_bytes", 0),
        shards=stats["shards"],
    )


def strain(sample: Sample, goals: Goals) -> float:
    """The load of a host as a share of what it should carry: 1 is as much as it should."""
    return max(
        sample.turns_per_s / goals.turns_per_s,
        sample.cpu / goals.cpu,
        sample.hot / goals.hot,
        min(LATE_MAX, sample.lag_s / goals.lag_s),
    )


def limits_of(scale: Scale, least: int | None, most: int | None, fixed: int | None) -> HostLimits:
    """The bounds in force: what an operator has set overrides the settings."""
    lower = scale.least if least is None else least
    upper = scale.most if most is None else most
    if least is None:
        lower = min(lower, upper)
    return HostLimits(lower, max(lower, upper), fixed)


def decide(pace: Pace, scale: Scale, limits: HostLimits, samples: Sequence[Sample], silent: int, now_s: float) -> Pace:
    """What is wanted after one more poll. ``samples``: of the live shared hosts that answered; ``silent``: how many did
    not, which says nothing about their load. ``now_s``: any clock that only goes on."""
    if limits.fixed is not None:
        return _stepped(pace, limits.fixed, now_s)
    wanted = min(max(pace.wanted, limits.least), limits.most)
    if wanted != pace.wanted or not samples:
        return _stepped(pace, wanted, now_s)
    known = sum(strain(sample, scale.goals) for sample in samples)
    load = known + silent * known / len(samples)
    needed = math.ceil(load - 1e-9)
    if needed > wanted:
        # Hosts that were added and are not there yet cannot have helped yet.
        polls = pace.busy_polls + 1 if len(samples) + silent >= wanted else 0
        may = polls >= scale.bad_polls and _may_step(pace, 1, scale, now_s)
        return _stepped(pace, min(needed, wanted + STEP_MAX, limits.most) if may else wanted, now_s, busy_polls=polls)
    if silent or wanted == limits.least or load > ROOM * (wanted - 1):
        return _stepped(pace, wanted, now_s)
    since_s = now_s if pace.calm_since_s is None else pace.calm_since_s
    may = now_s - since_s >= scale.idle_s and _may_step(pace, -1, scale, now_s)
    return _stepped(pace, wanted - 1 if may else wanted, now_s, calm_since_s=since_s)


def _may_step(pace: Pace, direction: int, scale: Scale, now_s: float) -> bool:
    return pace.step * direction >= 0 or now_s - pace.stepped_s >= scale.cool_s


def _stepped(pace: Pace, wanted: int, now_s: float, *, busy_polls: int = 0, calm_since_s: float | None = None) -> Pace:
    if wanted == pace.wanted:
        return Pace(wanted, busy_polls, calm_since_s, pace.step, pace.stepped_s)
    return Pace(wanted, 0, None, wanted - pace.wanted, now_s)


def host_names(count: int) -> list[str]:
    """Names of the first so many shared hosts."""
    return [f"host:{n}" for n in range(count)]


def names_wanted(count: int, live: Iterable[str], going: Collection[str], starting: Collection[str] = ()) -> list[str]:
    """Which shared hosts to have: of those that live the lowest numbers, then those that are ``starting``, then free
    numbers. Hosts that are ``going`` (their node will be gone) do not count: others, of other names, are started in
    their place before they end."""
    here = sorted((name for name in live if name not in going), key=_number)
    coming = sorted((name for name in starting if name not in going and name not in here), key=_number)
    staying = (here + coming)[:count]
    free = (name for name in host_names(count + len(going)) if name not in going and name not in staying)
    return staying + [next(free) for _ in range(count - len(staying))]


def _number(name: str) -> int:
    return int(name.removeprefix("host:"))
