"""Which shard an actor belongs to, and which host holds it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from msgspec import Struct


def shared_shard(actor: str, shards: int) -> str:
    """The hash shard of an actor. CRC-32 because it must be the same in every process, for the life of a world."""
    return f"s:{zlib.crc32(actor.encode()) % shards}"


class Residences(Struct, frozen=True):
    """Where actors live: ``own`` are the ones that are shards of their own, all others hash over ``shards``."""

    shards: int
    own: frozenset[str] = frozenset()

    def shard_of(self, actor: str) -> str:
        """The shard an actor belongs to."""
        return actor if actor in self.own else shared_shard(actor, self.shards)


class RemoteCluster(Struct, frozen=True):
    """Another cluster of this world, and where game servers reach its bridge."""

    cluster: str
    bridge: str | None


class Routes(Struct, frozen=True):
    """One reading of the routing table: the residences, the live holder in this cluster of each shard, and the cluster
    of those that are held in another one."""

    residences: Residences
    holders: dict[str, str]
    remote: Mapping[str, RemoteCluster] = {}

    def host_of(self, actor: str) -> str | None:
        """Name of the host that holds the actor, or None while nobody does."""
        return self.holders.get(self.residences.shard_of(actor))

    def way_to(self, actor: str) -> str | RemoteCluster | None:
        """The host of this cluster or the other cluster that holds the actor, or None while nobody does."""
        shard = self.residences.shard_of(actor)
        return self.holders.get(shard) or self.remote.get(shard)

    def redirect(self, actor: str, heir: str) -> None:
        """Its last host said who has the actor's shard now."""
        self.holders[self.residences.shard_of(actor)] = heir


def shared_shards(count: int) -> Iterable[str]:
    """All hash shards of a world."""
    return (f"s:{n}" for n in range(count))
