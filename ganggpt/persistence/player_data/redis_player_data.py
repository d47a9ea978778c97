"""Finds and deletes a player in Redis: examines the name and the value of every key of this program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from ganggpt.errors import Unavailable
from ganggpt.persistence.redis_client import RedisClient, connect_redis, redis_outages, slot_owners

_OURS: Final = "ganggpt:*"
_ANSWER_S: Final = 5.0
_WITHIN_S: Final = 10.0
"""The longest wait for one page of keys, and for what is done about one key."""
_ENTRIES: Final = 1000
"""How many entries of a stream are read at a time."""

IsAbout = Callable[[bytes], bool]


class RedisPlayerData:
    """Searches a Redis, or nothing where there is none. Owns its client."""

    def __init__(self, url: str | None) -> None:
        self._client: RedisClient | None = None if url is None else connect_redis(url, _ANSWER_S, connections_max=2)

    async def forget(self, is_about: IsAbout) -> int:
        """Delete every key and every entry of a stream in whose name or value ``is_about`` finds the player; how many.

        Cached values are loaded again from their source, so nothing is lost. Raises Unavailable.
        """
        if self._client is None:
            return 0
        client: Any = self._client
        gone = 0
        async with redis_outages(_WITHIN_S):
            owners = await slot_owners(client)
        keys = client.scan_iter(match=_OURS, count=500)
        while True:
            async with redis_outages(_WITHIN_S):
                key = await anext(keys, None)
                if key is None:
                    break
                gone += await self._forget_key(client, cast(bytes, key), is_about)
        async with redis_outages(_WITHIN_S):
            # A scan goes through one node after the other: what moved meanwhile may never have been looked at.
            if await slot_owners(client) != owners:
                raise Unavailable("Redis", "parts of its cluster moved while it was searched")
        return gone

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _forget_key(self, client: Any, key: bytes, is_about: IsAbout) -> int:
        kind = await client.type(key)
        if is_about(_without_end(key)):
            # A set lists further keys of the player.
            listed = await client.smembers(key) if kind == b"set" else ()
            return sum([int(await client.unlink(each)) for each in (*listed, key)])
        if kind == b"string":
            value = await client.get(key)
            return int(await client.unlink(key)) if value is not None and is_about(value) else 0
        return await self._forget_entries(client, key, is_about) if kind == b"stream" else 0

    async def _forget_entries(self, client: Any, key: bytes, is_about: IsAbout) -> int:
        gone = 0
        after = b"-"
        while entries := await client.xrange(key, min=after, count=_ENTRIES):
            about = [no for no, fields in entries if any(map(is_about, fields.values()))]
            if about:
                gone += int(await client.xdel(key, *about))
            after = b"(" + entries[-1][0]
        return gone


def _without_end(key: bytes) -> bytes:
    """A key without the word behind an id, which the id of another player could end with."""
    return key.rpartition(b":")[0] if key.endswith((b":profile", b":data")) else key
