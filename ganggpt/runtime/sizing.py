"""How many processes a runtime has: as set, else computed from the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ganggpt.actors.supervision.plan import Plan, plan_for
from ganggpt.actors.supervision.scaling import Goals, Scale
from ganggpt.config import Settings
from ganggpt.runtime.container_memory import usable_memory
from ganggpt.worldfiles.files import cast_of, load_world, world_folder

OWN_ACTOR_BYTES: Final = 75 * 1024 * 1024
_HOSTS_MIN: Final = 2
_OWN_SHARE: Final = 0.08
_OWN_PER_CPU: Final = 2
"""Starting a process of its own costs an actor some 3 s of a CPU, and idling about 1 % of one."""
_SLOTS_SPARE: Final = 8
"""Logical CPUs left for jobs, actors that come and go, and Serve."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a runtime may use: CPUs and bytes of memory."""

    cpus: int
    memory_bytes: int


def this_machine() -> Machine:
    """The CPUs this process may run on and the memory of the machine or of its container, whichever is less."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(cpus, usable_memory().total_bytes)


def host_count(settings: Settings, machine: Machine) -> int:
    """Shared hosts: as set, else half of the CPUs, and two at least: a second one takes over at once when one dies."""
    return settings.hosts or max(_HOSTS_MIN, machine.cpus // 2)


def scale_of(settings: Settings, machine: Machine) -> Scale:
    """How the number of shared hosts follows the load: up to as many as there are CPUs, unless set. ``machine``: where
    a local world runs; of a cluster it says nothing, so there the bound has to be set."""
    least = host_count(settings, machine)
    most = max(least, settings.hosts_max or machine.cpus)
    return Scale(least, most, Goals(turns_per_s=settings.host_turns), settings.hosts_idle_s)


def own_actors_max(settings: Settings, machine: Machine) -> int:
    """Processes of their own under ``auto``: as set, else 8 % of memory, at most two a CPU."""
    if settings.own_actors_max is not None:
        return settings.own_actors_max
    return min(_OWN_PER_CPU * machine.cpus, int(machine.memory_bytes * _OWN_SHARE) // OWN_ACTOR_BYTES)


@dataclass(frozen=True, slots=True)
class WorldSize:
    """How much of a world runs where; picklable. ``own_max``: processes of single actors; ``bridges``: replicas of the
    bridge, of which ``bridges_max`` run at the same time during a roll-out."""

    residence: str
    own_actors_max: int
    own_max: int
    lease_s: float
    scale: Scale
    bridges: int
    bridges_max: int

    def plan(self, cast: Sequence[str]) -> Plan:
        """What the supervisor should keep running for a world with this cast."""
        return plan_for(
            self.residence,
            cast,
            hosts=self.scale.least,
            own_actors_max=self.own_actors_max,
            lease_s=self.lease_s,
            scale=self.scale,
        )


def world_size(settings: Settings, machine: Machine, *, replicas: int | None = None) -> WorldSize:
    """The size of a world. ``replicas`` of the bridge: unset, one for two CPUs, as ``ganggpt up`` has them, which never
    rolls out new ones. Raises WorldRejected where everybody gets a process of their own and the world files are bad."""
    own = own_actors_max(settings, machine)
    if settings.residence == "own":
        own_max = max(own, len(list(cast_of(load_world(world_folder(settings.world))))))
    else:
        own_max = 0 if settings.residence == "shared" else own
    bridges = max(1, machine.cpus // 2) if replicas is None else replicas
    return WorldSize(
        residence=settings.residence,
        own_actors_max=own,
        own_max=own_max,
        lease_s=settings.lease_s,
        scale=scale_of(settings, machine),
        bridges=bridges,
        bridges_max=bridges if replicas is None else bridges * 2,
    )


def ray_slots(settings: Settings, machine: Machine) -> int:
    """Logical CPUs of the local Ray node: enough that everything of any plan can be placed, whatever the cores."""
    return math.ceil(scale_of(settings, machine).most * settings.host_cpus) + machine.cpus + _SLOTS_SPARE
