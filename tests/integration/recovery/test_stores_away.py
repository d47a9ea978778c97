"""Stores that go and come back: errors in bounded time that say "again", and afterwards every command counts once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from ganggpt.domain.ids import CommandId
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.ports.cache import Cache, actor_key
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.serve.rest.views import Views
from tests.support.mortal_world import DEADLINE_S, LEASE_S, PEOPLE, World, fresh_ids

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

BY = "server:test"
SLACK_S = 1.5


async def ask_all(world: World, ids: Sequence[CommandId]) -> list[dict[str, Any]]:
    """One command for each id, to everybody in turn, all at once."""
    asked = [world.ask(PEOPLE[n % len(PEOPLE)], f"thing {n}", command_id) for n, command_id in enumerate(ids)]
    return await asyncio.gather(*asked)


async def again_until_ok(world: World, ids: Sequence[CommandId]) -> list[dict[str, Any]]:
    asked = [world.ask_until_ok(PEOPLE[n % len(PEOPLE)], f"thing {n}", command_id) for n, command_id in enumerate(ids)]
    return await asyncio.gather(*asked)


@pytest.fixture
async def cache(world: World) -> AsyncIterator[Cache]:
    opened = open_cache(world.redis.url)
    yield opened
    await opened.close()


@pytest.fixture
def views(world: World, cache: Cache) -> Views:
    return Views(world.router, cache, Metrics(), timeout_s=DEADLINE_S + SLACK_S)


async def test_without_postgres_commands_end_in_time_and_after_it_each_counts_once(world: World) -> None:
    loop = asyncio.get_running_loop()
    ids = fresh_ids(40)
    before = await ask_all(world, ids[:20])
    assert all(answer["ok"] for answer in before)
    await world.kill_postgres()
    began_s = loop.time()
    during = await ask_all(world, ids[20:])
    assert loop.time() - began_s < DEADLINE_S + SLACK_S
    assert {answer["error"]["code"] for answer in during} == {"unavailable"}
    assert all(answer["error"]["retryable"] and answer["error"]["retry_after_ms"] > 0 for answer in during)
    await asyncio.to_thread(world.postgres.start)
    after = await again_until_ok(world, ids)
    assert after[:20] == before, "what was acked before is answered as it was then"
    assert await world.turns_of(ids) == [1] * len(ids)


async def test_a_commit_that_postgres_took_down_with_it_is_decided_once(world: World) -> None:
    ids = fresh_ids(60)
    asking = asyncio.create_task(ask_all(world, ids))
    await asyncio.sleep(0)
    await world.kill_postgres()
    first = await asking
    await asyncio.to_thread(world.postgres.start)
    after = await again_until_ok(world, ids)
    assert all(then == now for then, now in zip(first, after, strict=True) if then["ok"])
    assert await world.turns_of(ids) == [1] * len(ids)


async def test_an_outage_longer_than_the_lease_costs_no_host_its_life(world: World) -> None:
    (warm,) = fresh_ids(1)
    await world.ask_until_ok(PEOPLE[0], "before", warm)
    lives = {name: world.fleet.host(name) for name in ("host:0", "host:1")}
    await world.kill_postgres()
    async with asyncio.timeout(LEASE_S * 4):
        for round_ in range(int(LEASE_S / DEADLINE_S) + 2):  # each takes as long as a command may
            answer = await world.ask(PEOPLE[0], f"during {round_}", fresh_ids(1)[0])
            assert answer["error"]["code"] == "unavailable"
    await asyncio.to_thread(world.postgres.start)
    await again_until_ok(world, fresh_ids(8))
    assert {name: world.fleet.host(name) for name in lives} == lives


async def test_reads_go_on_without_postgres_and_say_that_they_are_stale(
    world: World, views: Views, cache: Cache
) -> None:
    await world.ask_until_ok("npc:mara", "a lamp goes on", fresh_ids(1)[0])
    seen = await views.read("npc:mara", BY)
    await world.kill_postgres()
    assert not (await world.ask("npc:mara", "a lamp goes out", fresh_ids(1)[0]))["ok"]  # her host has to start anew
    await cache.forget([actor_key("npc:mara")])
    began_s = asyncio.get_running_loop().time()
    stale = await views.read("npc:mara", BY)
    assert asyncio.get_running_loop().time() - began_s < DEADLINE_S / 2
    assert stale.stale
    assert stale.answer == seen.answer


async def test_without_redis_everything_is_right_and_only_slower(world: World, views: Views) -> None:
    loop = asyncio.get_running_loop()
    ids = fresh_ids(20)
    assert all(answer["ok"] for answer in await ask_all(world, ids[:10]))
    first = await views.read("npc:mara", BY)
    await world.kill_redis()
    began_s = loop.time()
    assert all(answer["ok"] for answer in await ask_all(world, ids[10:]))
    second = await views.read("npc:mara", BY, fresh=True)
    third = await views.read("npc:tobias", BY)
    assert loop.time() - began_s < DEADLINE_S
    assert second.answer["seq"] > first.answer["seq"]
    assert third.answer["ok"]
    assert not third.stale
    assert await world.turns_of(ids) == [1] * len(ids)
    await asyncio.to_thread(world.redis.start)
    assert (await views.read("npc:mara", BY, fresh=True)).answer == second.answer


async def test_a_flushed_redis_is_filled_again_from_the_actors(world: World, views: Views) -> None:
    await world.ask_until_ok("npc:mara", "a door", fresh_ids(1)[0])
    before = await views.read("npc:mara", BY)
    assert world.redis.url is not None
    client = connect_redis(world.redis.url, 5.0)
    await client.flushall()
    after = await views.read("npc:mara", BY, fresh=True)
    assert (after.answer, after.stale) == (before.answer, False)
    assert await client.exists(actor_key("npc:mara")) == 1
    await client.aclose()
