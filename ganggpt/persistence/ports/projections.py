"""The user's tables, as a host sees them: the flush of what they show, and the archive of memories."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from ganggpt.domain.mind.memory_record import Embedding, Memory

Change = tuple[str, Any, Any]
"""An actor id, the state the tables show (None: unknown) and the state now."""


class FlushStore(Protocol):
    """Writes what the user's tables show; ``PostgresFlush`` is the real adapter."""

    async def flush(
        self, epoch: int, changes: Sequence[Change], through_s: float | None, held: Collection[str] = ()
    ) -> int:
        """Write these changes to the tables and return how many rows were written or deleted.

        ``through_s``: Unix time by the database's clock up to which the tables then show every turn of this host, or
        None where the changes are only a part. It is not recorded while the host holds shards that are not in ``held``,
        because it has not heard of those yet. Raises Fenced and Unavailable; the same changes may then be flushed
        again.
        """
        ...


FOUND_MAX: Final = 8
"""Memories one question brings back."""


class ArchiveQuestion(Struct, frozen=True, kw_only=True):
    """What an NPC looks for in its archive. ``held``: how many memories it let go of in its life. ``listener``: the
    actor it asks for; only memories this actor may hear are found."""

    npc: str
    query: str
    listener: str
    now_s: float
    held: int
    embedding: Embedding | None = None


Found = tuple[Memory, float]
"""A memory of the archive and how well it fits the words of the question, 0 to 1."""


class MemoryArchive(Protocol):
    """Memories that minds had no room for; ``PostgresMemoryArchive`` is the real adapter."""

    async def keep(self, epoch: int, npc: str, memories: Sequence[Memory], held: int) -> None:
        """Put memories of an NPC or a companion (an actor id) into its archive. Doing it twice changes nothing.
        ``held``: how many it let go of in its life. Raises Fenced and Unavailable."""
        ...

    async def search(self, question: ArchiveQuestion) -> Sequence[Found]:
        """At most FOUND_MAX memories, the best first. Raises Unavailable."""
        ...
