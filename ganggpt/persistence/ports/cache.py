"""A cache of what was read lately, by key. Losing it costs nothing but time."""

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


def session_key(server: str) -> str:
    """The cache key of the session record of a game server."""
    return f"ganggpt:session:{server}:data"


def list_key(name: str, digest: str) -> str:
    """The cache key of a page of a list; ``digest``: of what was asked for."""
    return f"ganggpt:list:{name}:{digest}"


class Cache(Protocol):
    """Bytes by key. It never raises because of an outage of the cache."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key, if it is still there; at most a second stale."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: int = TTL_S) -> None:
        """Keep for ``ttl_s`` seconds."""
        ...

    async def forget(self, keys: Sequence[str]) -> None:
        """Delete these keys everywhere but in the L1 of other processes."""
        ...

    async def forget_actors(self, actors: Sequence[str]) -> None:
        """Delete the views of these actors."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
