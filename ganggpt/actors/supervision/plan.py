"""What a supervisor keeps running: how many shared hosts, and which actors get a process of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ganggpt.actors.supervision.scaling import Scale

FRESH_S: Final = 3.0
"""Longer than bridges need to find a new host (``HostWatch``)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What should run: the number of shared hosts and the actors with a residence of their own.

    ``companions_max``: how many companions of online players may have a residence of their own besides. ``lease_s``:
    how long a host may be silent before it is fenced, by the database's clock. ``fresh_s``: how long a host must have
    lived before it is given shards of others. ``scale``: how the number of shared hosts follows the load; None keeps
    it.
    """

    hosts: int
    own: tuple[str, ...]
    companions_max: int = 0
    lease_s: float = 10.0
    round_s: float = 1.0
    starts_at_once: int = 2
    fresh_s: float = 0.0
    scale: Scale | None = None


def own_residents(residence: str, cast: Sequence[str], own_actors_max: int) -> tuple[str, ...]:
    """Which members of the cast get a process of their own: factions first, then people, up to ``own_actors_max``.

    ``residence``: ``auto``, ``own`` (all of the cast) or ``shared`` (none).
    """
    if residence == "shared":
        return ()
    ranked = sorted(cast, key=lambda actor: (not actor.startswith("faction:"), actor))
    return tuple(ranked if residence == "own" else ranked[:own_actors_max])


def plan_for(
    residence: str, cast: Sequence[str], *, hosts: int, own_actors_max: int, lease_s: float, scale: Scale | None = None
) -> Plan:
    """The plan of a world with this cast. Companions get what the cast leaves of ``own_actors_max``."""
    own = own_residents(residence, cast, own_actors_max)
    companions_max = 0 if residence == "shared" else max(0, own_actors_max - len(own))
    return Plan(hosts, own, companions_max, lease_s, fresh_s=FRESH_S, scale=scale)
