"""The shards of an incarnation: which ones it holds, since when, who holds the others, and which stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping

from ganggpt.actors.host.identity import Identity
from ganggpt.actors.routing.shards import Residences
from ganggpt.actors.routing.table import residences_of
from ganggpt.persistence.ports.hosts import HostTable


class Shards:
    """Owns the shards this incarnation holds, each with the number of its *term*: what was read of an actor in another
    term may be stale.

    ``lock`` is held while the routing table is read or changed. ``on_gained`` is called with those of the gained shards
    whose last owner did not flush everything; also with none of them.
    """

    def __init__(
        self,
        identity: Identity,
        hosts: HostTable,
        residences: Residences,
        on_gained: Callable[[Collection[str]], None],
    ) -> None:
        self.residences = residences
        self.lock = asyncio.Lock()
        self.draining = False
        self._identity = identity
        self._hosts = hosts
        self._on_gained = on_gained
        self._terms: dict[str, int] = {}
        self._last_term = 0
        self._holders: Mapping[str, str] = {}
        self._frozen: frozenset[str] = frozenset()
        self._frozen_actor: str | None = None

    def __contains__(self, shard: str) -> bool:
        """Whether turns of the shard run here (but for an actor that stands still)."""
        return shard in self._terms

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    @property
    def with_frozen(self) -> tuple[str, ...]:
        """The shards that are held, and those on their way out, which the table still says are held."""
        return (*self._terms, *self._frozen)

    def shard_of(self, actor: str) -> str:
        """The shard an actor belongs to."""
        return self.residences.shard_of(actor)

    def term_of(self, actor: str) -> int | None:
        """The term of the actor's shard; None where no turn of the actor may run here."""
        shard = self.residences.shard_of(actor)
        return None if self.stops(actor, shard) else self._terms.get(shard)

    def holder_of(self, shard: str) -> str | None:
        """The host of this cluster that held a shard when the table was read last."""
        return self._holders.get(shard)

    def stops(self, actor: str, shard: str) -> bool:
        """Whether the actor stands still, alone or with its whole shard."""
        return actor == self._frozen_actor or shard in self._frozen

    async def refresh(self) -> None:
        """Read anew which shards this incarnation holds. Raises Unavailable."""
        async with self.lock:
            rows = await self._hosts.routes()
            if self.draining:
                return
            self.residences = residences_of(rows)
            cluster, epoch = self._hosts.cluster, self._identity.epoch
            self._holders = {r.shard: r.host for r in rows if r.host is not None and r.cluster == cluster}
            held = [r.shard for r in rows if r.epoch == epoch and r.shard not in self._frozen]
            fresh = [shard for shard in held if shard not in self._terms]
            owed = [row.shard for row in rows if row.shard in fresh and not row.flushed]
            self._terms = {shard: self._terms.get(shard, 0) for shard in held}
            self._hold(fresh)
        if fresh:
            self._on_gained(owed)

    def freeze(self, shards: Collection[str] = (), actor: str | None = None) -> None:
        """From now on no turn of these shards, or of this actor, runs."""
        for shard in shards:
            del self._terms[shard]
        self._frozen, self._frozen_actor = frozenset(shards), actor

    def thaw(self) -> None:
        """What stood still goes on; its shards begin a new term."""
        frozen = self._frozen
        self.let_go()
        self._hold(frozen)

    def let_go(self) -> None:
        """The frozen shards are somebody else's now."""
        self._frozen, self._frozen_actor = frozenset(), None

    def change_residence(self, actor: str, *, own: bool) -> None:
        """An actor of this host became a shard of its own, or went back into its hash shard."""
        others = self.residences.own - {actor}
        self.residences = Residences(self.residences.shards, others | {actor} if own else others)
        if own:
            self._hold((actor,))
        else:
            del self._terms[actor]

    def drain(self) -> None:
        """Hold nothing any more, whatever the table says."""
        self.draining = True
        self._terms = {}

    def _hold(self, shards: Collection[str]) -> None:
        for shard in shards:
            self._last_term += 1
            self._terms[shard] = self._last_term
