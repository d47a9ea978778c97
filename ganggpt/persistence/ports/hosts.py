"""Who may write: host incarnations with their epochs, and which shard belongs to which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

LOCAL: Final = "local"
"""The name of the cluster where a world runs on one machine."""


class Registration(Struct, frozen=True):
    """A fresh incarnation: its epoch, the database's clock at birth, and the predecessors' epochs it fenced."""

    epoch: int
    now_s: float
    fenced: tuple[int, ...]


class Pulse(Struct, frozen=True):
    """The answer to a heartbeat: the database's Unix time, when this host was last given a shard (0: never), and when
    world files were last loaded."""

    now_s: float
    shards_at_s: float
    world_at_s: float = 0.0


class LiveHost(Struct, frozen=True):
    """A host that is not dead. ``silent_s``: seconds since its last heartbeat, by the database's clock. ``node``: the
    Ray node its process runs on."""

    name: str
    kind: str
    epoch: int
    silent_s: float
    cluster: str = LOCAL
    node: str | None = None


class FencedHost(Struct, frozen=True):
    """A host that was silent for too long and may no longer write."""

    cluster: str
    name: str
    kind: str


class RouteRow(Struct, frozen=True):
    """A shard with its residence (``own`` or ``shared``) and the live host that holds it (None where there is none).

    ``bridge``: the address of the holder's cluster for game servers, if known. ``flushed``: whether the tables showed
    every turn of the shard when this holder got it.
    """

    shard: str
    residence: str
    host: str | None
    epoch: int | None = None
    cluster: str | None = None
    bridge: str | None = None
    flushed: bool = False


class HostTable(Protocol):
    """The host's side of ownership; ``PostgresHosts`` is the real adapter. ``cluster``: the cluster it acts for."""

    cluster: str

    async def register(self, name: str, kind: str, address: str = "", node: str | None = None) -> Registration:
        """Fence every predecessor of that name in this cluster, draw a fresh epoch and inherit the shards.

        ``address`` tells an operator where the process is (machine/pid).
        """
        ...

    async def beat(self, epoch: int) -> Pulse:
        """Record a heartbeat. Raises Fenced."""
        ...

    async def retire(self, epoch: int) -> None:
        """Mark this incarnation dead after a clean stop; its shards wait for the next owner."""
        ...

    async def routes(self) -> Sequence[RouteRow]:
        """Every shard with its holder, all read at one moment."""
        ...

    async def unflushed(self, epoch: int) -> Sequence[str]:
        """Actors with turns that the predecessors of this epoch had not flushed to the user's tables."""
        ...

    async def hand_over(self, epoch: int, shards: Sequence[str], cluster: str, heir: str) -> None:
        """Give shards of this epoch to a live host. The giver must have stopped their turns, and none may be
        uncommitted. Raises Fenced, Unavailable where the heir does not live (then nothing changed), CommitUnknown."""
        ...

    async def change_residence(self, epoch: int, actor: str, shard: str, *, own: bool) -> None:
        """Make an actor a shard of its own, or put it back into its hash ``shard``, with its messages and reminders.
        The holder stays the same. The host that holds both calls this while no turn of the actor runs. Raises Fenced,
        CommitUnknown."""
        ...


class Ownership(Protocol):
    """The supervisor's side of ownership."""

    cluster: str

    async def routes(self) -> Sequence[RouteRow]:
        """Every shard with its holder, all read at one moment."""
        ...

    async def alive(self) -> Sequence[LiveHost]:
        """Hosts of all clusters that are not dead."""
        ...

    async def fence(self, epoch: int) -> bool:
        """Mark an incarnation dead, because its process ended; returns whether it was alive until now."""
        ...

    async def fence_stale(self, silent_s: float) -> Sequence[FencedHost]:
        """Fence hosts of all clusters without a heartbeat for that long."""
        ...

    async def assign(self, wanted: Mapping[str, str]) -> None:
        """Give shards without a live host to live hosts of this cluster, by name. Shards that a live host holds stay
        there."""
        ...

    async def plan_own(self, actors: Sequence[str], back: Mapping[str, str]) -> bool:
        """Make exactly these actors shards of their own, and put those of ``back`` into the hash shard it names, with
        their messages and reminders. Only while no host lives, because a residence must not change under an activation;
        returns whether it was done."""
        ...

    async def companions_at_play(self, limit: int) -> Sequence[str]:
        """Companions whose owner is online, according to the flushed tables, the oldest first."""
        ...
