"""Recorded exchanges in Postgres, and cached answers in Redis: found again, and gone when a player is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Provider
from ganggpt.ai.gateway.recording import ModelExchange, RecordingProvider, ReplayProvider
from ganggpt.ai.port import Answered
from ganggpt.persistence.models.exchanges import PostgresExchanges
from ganggpt.persistence.models.responses import RedisResponses
from ganggpt.persistence.player_data.player_data import PostgresPlayerData
from ganggpt.persistence.ports.player_data import Words
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.testing.fake_model import Says, fake_model
from tests.support.gateway_rig import Rig, Turn, talk

pytestmark = pytest.mark.integration


@pytest.fixture
async def exchanges(pool: asyncpg.Pool) -> AsyncIterator[PostgresExchanges]:
    lost: list[int] = []
    opened = PostgresExchanges(pool, lost.append)
    yield opened
    await opened.close()
    assert not lost


async def test_an_utterance_is_explained_and_replayed_from_the_database(exchanges: PostgresExchanges) -> None:
    class RecordingRig(Rig):
        def provider(self, endpoint: Endpoint) -> Provider:
            return RecordingProvider(OpenAIProvider(endpoint), exchanges)

    async with fake_model() as server:
        rig = RecordingRig(server)
        gateway = rig.build()
        server.faults.append(Says('{"say": "Hm. \\u0000", "mood": 99}'))
        server.always["large"] = Says('{"say": "Hm.", "mood": 2}')
        live = await gateway.answer(talk(shape=Turn))
        await gateway.close()
    await exchanges.flush()
    assert isinstance(live, Answered)
    assert live.repaired
    repair, first = await exchanges.of_request(live.key)
    assert "not valid" in repair.request
    assert "99" in first.answer
    again = await Rig(server).build(provider=ReplayProvider("replay", exchanges.find)).answer(talk(shape=Turn))
    assert again == live


async def test_a_players_words_are_erased_and_old_exchanges_swept(
    exchanges: PostgresExchanges, pool: asyncpg.Pool
) -> None:
    for n, player in enumerate(("player:ana", "player:bob", None, "player:ana")):
        exchanges.keep(ModelExchange(key=f"k{n}", at_s=1e9, model="m", request=f"asked by {player}", player=player))
    await exchanges.flush()
    data, ana = PostgresPlayerData(pool), Words("player:ana")
    keys = [row.key for row in await data.rows_about("ai_exchanges", ana)]
    assert await data.clean("ai_exchanges", keys, ana.player) == 2
    assert await pool.fetchval("SELECT count(*) FROM ai_exchanges WHERE request LIKE '%ana%'") == 0
    assert await exchanges.sweep(7) == 2
    assert await exchanges.find("k1") is None


async def test_a_forgotten_player_leaves_nothing_in_redis(redis_url: str) -> None:
    store = RedisResponses(redis_url)
    store.put("ganggpt:ai:response:a", b"for ana", "player:ana")
    store.put("ganggpt:ai:response:b", b"for bob", "player:bob")
    store.put("ganggpt:ai:response:c", b"for all", None)
    assert await store.get("ganggpt:ai:response:a") == b"for ana"
    await store.forget("player:ana")
    client = connect_redis(redis_url, 1.0)
    keys = sorted([key async for key in client.scan_iter("*")])
    assert keys == [b"ganggpt:ai:of:player:bob", b"ganggpt:ai:response:b", b"ganggpt:ai:response:c"]
    assert await store.get("ganggpt:ai:response:a") is None
    await client.aclose()
    await store.close()


async def test_what_was_put_is_kept_also_when_the_end_comes_at_once(redis_url: str) -> None:
    store = RedisResponses(redis_url)
    store.put("ganggpt:k", b"v", "player:ana")
    await store.close()
    other = RedisResponses(redis_url)
    assert await other.get("ganggpt:k") == b"v"
    await other.close()


async def test_a_cache_without_redis_is_a_miss_and_both_ways_are_counted() -> None:
    lost: list[int] = []
    outage: list[None] = []
    store = RedisResponses("unix:///nowhere/redis.sock", lost=lost.append, outage=lambda: outage.append(None))
    store.put("ganggpt:k", b"v", "player:ana")
    assert await store.get("other") is None
    await store.close()
    assert lost == [1]
    assert len(outage) == 1
