"""What Redis holds of a player goes when they are erased, and nothing of a player whose id begins with theirs."""

from __future__ import annotations

import pytest

from ganggpt.domain.erasure import Subject, mentions_anywhere
from ganggpt.persistence.player_data.redis_player_data import RedisPlayerData
from ganggpt.persistence.ports.cache import actor_key
from ganggpt.persistence.redis_client import connect_redis

pytestmark = pytest.mark.integration

WHOLE = "player:char1:1a2b"
LONGER = ("player:char1:1a2b:profile", "player:char1:1a2b.2", "player:char1:1a2bc")


async def test_keys_of_a_player_are_deleted_and_those_of_longer_ids_stay(redis_url: str) -> None:
    client = connect_redis(redis_url, 1.0)
    gone = [actor_key(WHOLE), f"ganggpt:stream:npc:mara:{WHOLE}:data"]
    kept = [key for player in LONGER for key in (actor_key(player), f"ganggpt:stream:npc:mara:{player}:data")]
    for key in (*gone, *kept):
        await client.set(key, b"1")
    players = RedisPlayerData(redis_url)
    await players.forget(lambda value: mentions_anywhere(value, Subject(WHOLE)))
    assert [await client.exists(key) for key in gone] == [0, 0]
    assert all([await client.exists(key) for key in kept])
    await client.unlink(*kept)
    await players.close()
    await client.aclose()
