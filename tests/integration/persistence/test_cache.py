"""The cache is quick when it is there and silent when it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ganggpt.errors import ConfigInvalid
from ganggpt.persistence.cache import NoCache, RedisCache, open_cache
from ganggpt.persistence.embedded.stores import EmbeddedRedis
from ganggpt.persistence.ports.cache import actor_key
from ganggpt.persistence.redis_client import connect_redis

pytestmark = pytest.mark.integration


class Clock:
    """A clock that goes when it is told to."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@pytest.fixture
async def cache(redis_url: str, clock: Clock, counts: Counter[str]) -> AsyncIterator[RedisCache]:
    opened = RedisCache(connect_redis(redis_url, 0.5), lambda outcome: counts.update([outcome]), clock)
    yield opened
    await opened.close()


async def test_what_is_put_is_found_near_then_far(cache: RedisCache, clock: Clock, counts: Counter[str]) -> None:
    assert await cache.get("ganggpt:k") is None
    await cache.put("ganggpt:k", b"\x00\xff")
    assert await cache.get("ganggpt:k") == b"\x00\xff"
    clock.now_s += 1.5
    assert await cache.get("ganggpt:k") == b"\x00\xff"
    assert counts == {"miss": 1, "l1": 1, "l2": 1}


async def test_another_process_sees_it_and_its_ttl(cache: RedisCache, redis_url: str) -> None:
    await cache.put("ganggpt:k", b"v", ttl_s=77)
    other = connect_redis(redis_url, 0.5)
    assert await other.get("ganggpt:k") == b"v"
    assert 70 < await other.ttl("ganggpt:k") <= 77
    await other.aclose()


async def test_forgetting_actors_drops_their_keys_and_no_others(cache: RedisCache) -> None:
    actors = ["player:anna", "npc:mara", "faction:ballas", "mission:m1", "companion:rex"]
    for actor in [*actors, "npc:other"]:
        await cache.put(actor_key(actor), actor.encode())
    await cache.forget_actors(actors)
    await cache.forget_actors([])
    assert [await cache.get(actor_key(actor)) for actor in actors] == [None] * 5
    assert await cache.get(actor_key("npc:other")) == b"npc:other"


def test_the_keys_are_those_of_the_seed() -> None:
    assert actor_key("player:anna") == "ganggpt:player:anna:profile"
    assert actor_key("npc:mara") == "ganggpt:npc:mara:memory"
    assert actor_key("faction:ballas") == "ganggpt:faction:ballas:state"
    assert actor_key("mission:m1") == "ganggpt:mission:m1:details"


async def test_a_cache_that_dies_is_a_miss_and_comes_back(data_dir: Path, clock: Clock, counts: Counter[str]) -> None:
    server = EmbeddedRedis(data_dir)
    url = server.start()
    if url is None:
        pytest.skip(str(server.absent_because))
    cache = RedisCache(connect_redis(url, 0.5), lambda outcome: counts.update([outcome]), clock)
    try:
        await cache.put("ganggpt:k", b"v")
        clock.now_s += 2
        server.stop()
        assert await cache.get("ganggpt:k") is None
        assert counts["failed"] == 1
        assert await cache.get("ganggpt:k") is None
        await cache.forget(["ganggpt:k"])
        assert counts["failed"] == 1, "it is left alone for a moment"
        server.start()
        clock.now_s += 2
        assert await cache.get("ganggpt:k") == b"v"
    finally:
        await cache.close()
        server.stop()


async def test_the_near_cache_is_bounded(cache: RedisCache) -> None:
    cache._client = connect_redis("redis://127.0.0.1:1/0", 0.2)
    for n in range(5000):
        await cache.put(f"ganggpt:k{n}", b"v")
    assert len(cache._l1) == 4096


async def test_without_redis_every_read_is_a_miss() -> None:
    cache = open_cache(None)
    assert isinstance(cache, NoCache)
    await cache.put("ganggpt:k", b"v")
    assert await cache.get("ganggpt:k") is None
    await cache.forget_actors(["npc:mara"])
    await cache.close()


def test_a_url_that_is_none_names_the_variable() -> None:
    with pytest.raises(ConfigInvalid, match="REDIS_URL"):
        open_cache("http://somewhere")
