"""What was read lately, by key. Losing it loses nothing but time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from ganggpt.domain.ids import kind_of, name_of

_KEYS: Final = {
    "player": "ganggpt:player:{}:profile",
    "npc": "ganggpt:npc:{}:memory",
    "faction": "ganggpt:faction:{}:state",
    "mission": "ganggpt:mission:{}:details",
    "companion": "ganggpt:companion:{}:state",
}

TTL_S: Final = 3600
"""The default of REDIS_TTL."""


def actor_key(actor: str) -> str:
    """The cache key of an actor's view."""
    return _KEYS[kind_of(actor)].format(name_of(actor))


def session_key(session: str) -> str:
    """The cache key of a session's record."""
    return f"ganggpt:session:{session}:data"


class Cache(Protocol):
    """Bytes by key. Never raises because of the cache itself."""

    async def get(self, key: str) -> bytes | None:
        """What was put there, if it is still there; at most a second stale."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: int = TTL_S) -> None:
        """Keep for ``ttl_s`` seconds."""
        ...

    async def forget(self, keys: Sequence[str]) -> None:
        """Drop these everywhere but in other processes' L1."""
        ...

    async def forget_actors(self, actors: Sequence[str]) -> None:
        """Drop the views of these actors."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
