"""What the Ray actors need from the composition root, so that this package constructs no adapter."""

from __future__ import annotations

from typing import Protocol, Self

from ganggpt.actors.host.host import HostOptions, HostPorts
from ganggpt.actors.routing.router import HostCall
from ganggpt.actors.supervision.plan import Plan
from ganggpt.actors.supervision.scaler import Stats
from ganggpt.actors.supervision.supervisor import Fleet, Supervisor
from ganggpt.ai.port import Gateway
from ganggpt.observability.log_file import LogOptions
from ganggpt.observability.metrics import Metrics


class HostFleet(Fleet, Stats, Protocol):
    """Starts hosts, reaches them, and asks them for their load."""


class ProcessSpec(Protocol):
    """With what hosts and the supervisor start. Picklable; opens their stores in the process it arrives in."""

    @property
    def name(self) -> str:
        """The name of the host."""
        ...

    @property
    def kind(self) -> str:
        """``shared`` or ``own``."""
        ...

    @property
    def options(self) -> HostOptions:
        """See HostOptions."""
        ...

    @property
    def shared_cpus(self) -> float:
        """Logical CPUs a shared host asks Ray for."""
        ...

    @property
    def own_cpus(self) -> float:
        """Logical CPUs a host of one actor asks Ray for."""
        ...

    @property
    def logs(self) -> LogOptions:
        """Where the process writes its log."""
        ...

    @property
    def uses_models(self) -> bool:
        """Whether a host asks models for words."""
        ...

    def named(self, name: str, kind: str) -> Self:
        """The same for a host of that name and kind."""
        ...

    async def open_host(self, call: HostCall, gateway: Gateway | None) -> HostPorts:
        """Everything a host needs. Raises GangGPTError."""
        ...

    async def open_supervisor(self, fleet: HostFleet, plan: Plan, metrics: Metrics) -> Supervisor:
        """The supervisor, not yet booted. ``metrics``: of its process. Raises GangGPTError."""
        ...
