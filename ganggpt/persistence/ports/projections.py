"""The user's tables as a host sees them: what a flush shows there, and the archive of memories."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from ganggpt.domain.mind.memory_record import Embedding, Memory

Change = tuple[str, Any, Any]
"""An actor id, the state the tables show (None: unknown) and the state now."""


class FlushStore(Protocol):
    """The port of write-behind; ``PostgresFlush`` is the real adapter."""

    async def flush(
        self, epoch: int, changes: Sequence[Change], through_s: float | None, held: Collection[str] = ()
    ) -> int:
        """Show these changes in the tables, which then show every turn of this host up to ``through_s`` (Unix time by
        the database's clock; None where the changes are only a part), unless it holds shards that are not in ``held``:
        those it has not heard of yet. Returns how many rows were written or deleted. Raises Fenced and Unavailable;
        after either the same changes may be flushed again."""
        ...


FOUND_MAX: Final = 8
"""Memories one question brings back."""


class TailQuestion(Struct, frozen=True, kw_only=True):
    """What an NPC looks for in its tail. ``held``: how many memories it let go of in its life; ``listener``: for whom;
    only what they may hear is found."""

    npc: str
    query: str
    listener: str
    now_s: float
    held: int
    embedding: Embedding | None = None


Found = tuple[Memory, float]
"""A memory of the tail and how well it fits the words, 0..1."""


class TailStore(Protocol):
    """The port of the tail; ``PostgresTail`` is the real adapter."""

    async def keep(self, epoch: int, npc: str, memories: Sequence[Memory], held: int) -> None:
        """Put memories of an NPC or a companion (an actor id) into its tail; doing it twice changes nothing. ``held``:
        how many it let go of in its life. Raises Fenced and Unavailable."""
        ...

    async def search(self, question: TailQuestion) -> Sequence[Found]:
        """At most FOUND_MAX memories, the best first. Raises Unavailable."""
        ...
