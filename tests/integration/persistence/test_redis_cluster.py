"""A cluster of Redis that loses nodes and moves its slots: errors are typed and soon there, and it is found again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from ganggpt.ai.gateway.budget import Claim, Limit, claims_of
from ganggpt.ai.port import Payers, Usage
from ganggpt.errors import Unavailable
from ganggpt.persistence.cache import RedisCache
from ganggpt.persistence.models.ledger import SWITCH, RedisLedger, SharedSwitch
from ganggpt.persistence.player_data.redis_player_data import RedisPlayerData
from ganggpt.persistence.ports.journal import PushRow
from ganggpt.persistence.probes import redis_probe
from ganggpt.persistence.pushes import FROM_NOW, PostgresPushes
from ganggpt.persistence.redis_client import connect_redis, redis_outages
from tests.support.eventually import eventually
from tests.support.redis_servers import MASTERS, RedisNode, RedisServers

pytestmark = pytest.mark.integration

NOW_S = 1_800_000_000.0
LONGEST_S = 15.0
"""A call has ended by then, whatever the cluster does; a loaded machine included."""
FOUND_AGAIN_S = 30.0
LIMITS = [Limit("server", "day", "calls", 1_000_000)]


@pytest.fixture
def cluster(redis_cluster: RedisServers) -> Iterator[RedisServers]:
    """An empty cluster, whole before and after the test."""
    redis_cluster.flush()
    yield redis_cluster
    redis_cluster.heal()


@pytest.fixture(params=["killed", "hanging"])
def gone(request: pytest.FixtureRequest) -> Callable[[RedisNode], None]:
    """How a node is lost."""
    return RedisNode.kill if request.param == "killed" else RedisNode.pause


@pytest.fixture
async def ledger(cluster: RedisServers) -> AsyncIterator[RedisLedger]:
    opened = RedisLedger(cluster.full_url, always_on, nothing_spent, clock=lambda: NOW_S)
    yield opened
    await opened.close()


async def always_on() -> bool:
    return True


async def nothing_spent(_: object) -> int:
    return 0


def claims() -> list[Claim]:
    return list(claims_of(LIMITS, Payers("player:ana"), Usage(1, 1, 0, 1), NOW_S))


@asynccontextmanager
async def calling(call: Callable[[int], Awaitable[object]], workers: int = 8) -> AsyncIterator[Counter[str]]:
    """Many tasks that call again and again; counts outcomes. Anything but an answer or Unavailable fails the test."""
    outcomes: Counter[str] = Counter()
    ended = False

    async def work(worker: int) -> None:
        n = worker
        while not ended:
            n += workers
            began_s = time.monotonic()
            try:
                await call(n)
                outcomes["answered"] += 1
            except Unavailable:
                outcomes["unavailable"] += 1
            assert time.monotonic() - began_s < LONGEST_S
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for worker in range(workers):
            group.create_task(work(worker))
        yield outcomes
        ended = True


async def more(outcomes: Counter[str], of: str, count: int = 50) -> None:
    """Wait for that many further outcomes of a kind."""
    wanted = outcomes[of] + count
    await eventually(lambda: outcomes[of] >= wanted, f"{wanted} {of}", FOUND_AGAIN_S, seen=lambda: outcomes)


async def test_budgets_ride_through_the_loss_of_their_master(
    cluster: RedisServers, ledger: RedisLedger, gone: Callable[[RedisNode], None]
) -> None:
    async def spend(_: int) -> None:
        ledger.settle(await ledger.reserve(claims(), 10), Usage(1, 1, 0, 1))

    async with calling(spend) as outcomes:
        await more(outcomes, "answered")
        gone(await asyncio.to_thread(cluster.master_of, SWITCH))
        await more(outcomes, "unavailable", 5)
        await more(outcomes, "answered")
    await ledger.flush()
    shared = SharedSwitch(cluster.full_url, clock=lambda: NOW_S)
    assert await shared.under_way() == 0
    await shared.close()


async def test_a_cluster_with_tls_and_users_loses_a_master_like_any_other(guarded_cluster: RedisServers) -> None:
    guarded_cluster.flush()
    client = connect_redis(guarded_cluster.full_url, 0.5)

    async def write(n: int) -> None:
        async with redis_outages(2.0):
            await client.set(f"ganggpt:npc:{n}:memory", b"v", ex=60)

    try:
        async with calling(write) as outcomes:
            await more(outcomes, "answered")
            await asyncio.to_thread(guarded_cluster.masters()[0].kill)
            await more(outcomes, "unavailable", 1)
            await eventually(lambda: len(guarded_cluster.masters()) == MASTERS, within_s=FOUND_AGAIN_S)
            await more(outcomes, "answered", 200)
        assert outcomes["answered"] > 200
    finally:
        await client.aclose()
        guarded_cluster.heal()


async def test_views_are_misses_while_a_master_is_gone_and_then_cached_again(
    cluster: RedisServers, gone: Callable[[RedisNode], None]
) -> None:
    counts: Counter[str] = Counter()
    cache = RedisCache(connect_redis(cluster.full_url, 0.25), lambda outcome: counts.update([outcome]))

    async def look(n: int) -> None:
        key = f"ganggpt:npc:{n}:memory"
        await cache.put(key, b"v")
        cache._l1.clear()
        assert await cache.get(key) in {b"v", None}
        await cache.forget([key, f"ganggpt:npc:{n + 1}:memory"])

    async with calling(look):
        await eventually(lambda: counts["l2"] >= 100, within_s=FOUND_AGAIN_S, seen=lambda: counts)
        gone(await asyncio.to_thread(cluster.master_of, "ganggpt:npc:1:memory"))
        await eventually(lambda: counts["failed"] > 0, within_s=FOUND_AGAIN_S, seen=lambda: counts)
        await eventually(lambda: len(cluster.masters()) == MASTERS, within_s=FOUND_AGAIN_S)
        counts.clear()
        await eventually(lambda: counts["l2"] >= 200, within_s=FOUND_AGAIN_S, seen=lambda: counts)
    await cache.close()


async def test_pushes_reach_a_waiting_bridge_again_after_the_loss_of_their_master(
    cluster: RedisServers, pool: asyncpg.Pool, gone: Callable[[RedisNode], None]
) -> None:
    bridge, host = PostgresPushes(pool, cluster.full_url), PostgresPushes(pool, cluster.full_url)
    seen: list[int] = []

    async def wait() -> None:
        position = FROM_NOW
        while True:
            began_s = time.monotonic()
            position, rows = await bridge.wait("one", position, 0.5)
            seen.extend(row.no for row in rows)
            assert time.monotonic() - began_s < LONGEST_S

    async def push(n: int) -> None:
        await host.notify_pushes([PushRow(n, "one", 1, "npc:mara", n, "npc.says", b"\x80")])

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait())
        async with calling(push, workers=2):
            await eventually(lambda: len(seen) > 20, within_s=FOUND_AGAIN_S)
            gone(await asyncio.to_thread(cluster.master_of, "ganggpt:pushes:one"))
            await eventually(lambda: len(cluster.masters()) == MASTERS, within_s=FOUND_AGAIN_S)
            seen.clear()
            await eventually(lambda: len(seen) > 20, within_s=FOUND_AGAIN_S)
        waiting.cancel()
    await bridge.close()
    await host.close()


async def test_the_position_in_a_stream_is_read_although_the_node_that_names_keys_is_gone(
    cluster: RedisServers, pool: asyncpg.Pool
) -> None:
    """The library asks one fixed node where the keys of XREAD stand; here that node dies and the stream's own lives."""
    pushes = PostgresPushes(pool, cluster.full_url)
    await pushes.wait("one", FROM_NOW, 0.05)
    asked = pushes._redis.commands_parser.node  # type: ignore[union-attr]
    node = next(each for each in cluster.nodes if each.port == asked.port)
    servers = (f"s{n}" for n in range(1000))
    other = next(s for s in servers if cluster.master_of(f"ganggpt:pushes:{s}") is not node)
    await asyncio.to_thread(node.kill)

    async def arrives() -> bool:
        await pushes.notify_pushes([PushRow(1, other, 1, "npc:mara", 1, "npc.says", b"\x80")])
        return bool((await pushes.wait(other, "0-0", 0.2))[1])

    await eventually(arrives, within_s=FOUND_AGAIN_S)
    await pushes.close()


async def test_nothing_of_a_player_stays_behind_a_master_that_dies_while_redis_is_searched(
    cluster: RedisServers,
) -> None:
    client = connect_redis(cluster.full_url, 5.0)
    async with client.pipeline(transaction=False) as pipe:
        for n in range(6000):
            pipe.set(f"ganggpt:npc:{n}:memory", b"of zephyr" if n % 3 else b"of nobody")
        await pipe.execute()
    data = RedisPlayerData(cluster.full_url)
    looked_at = 0

    def is_about(value: bytes) -> bool:
        nonlocal looked_at
        looked_at += 1
        if looked_at == 500:
            cluster.masters()[-1].kill()
        return b"zephyr" in value

    with pytest.raises(Unavailable):
        await data.forget(is_about)

    async def forgotten() -> bool:
        try:
            await data.forget(is_about)
        except Unavailable:
            return False
        return True

    await eventually(forgotten, within_s=FOUND_AGAIN_S, every_s=0.1)
    left = [key async for key in client.scan_iter(match="ganggpt:*", count=1000)]
    # The newest writes may be lost with their master; what is there is of nobody.
    assert left
    assert [key for key in left if int(key.split(b":")[2]) % 3] == []
    await data.close()
    await client.aclose()


async def test_a_search_does_not_trust_a_cluster_that_moves_its_slots(cluster: RedisServers) -> None:
    data = RedisPlayerData(cluster.full_url)
    one, two, _ = cluster.masters()
    slot = _first_slot(one)
    two.ask("CLUSTER SETSLOT", slot, "IMPORTING", one.ask("CLUSTER MYID"))
    one.ask("CLUSTER SETSLOT", slot, "MIGRATING", two.ask("CLUSTER MYID"))
    with pytest.raises(Unavailable, match="on their way"):
        await data.forget(lambda _: False)
    for node in (one, two):
        node.ask("CLUSTER SETSLOT", slot, "STABLE")
    assert await data.forget(lambda _: False) == 0
    await data.close()


def _first_slot(node: RedisNode) -> int:
    port = node.port
    return next(first for first, _, owner, *_ in node.ask("CLUSTER SLOTS") if owner[1] == port)


async def test_a_slot_on_its_way_to_another_node_is_an_outage_at_most(
    cluster: RedisServers, ledger: RedisLedger
) -> None:
    reservation = await ledger.reserve(claims(), 10)
    giver = await asyncio.to_thread(cluster.master_of, SWITCH)
    taker = next(node for node in cluster.masters() if node is not giver)
    slot = giver.ask("CLUSTER KEYSLOT", SWITCH)
    taker.ask("CLUSTER SETSLOT", slot, "IMPORTING", giver.ask("CLUSTER MYID"))
    giver.ask("CLUSTER SETSLOT", slot, "MIGRATING", taker.ask("CLUSTER MYID"))

    async def spend(_: int) -> None:
        ledger.settle(await ledger.reserve(claims(), 10), Usage(1, 1, 0, 1))

    try:
        async with calling(spend) as outcomes:
            keys = giver.ask("CLUSTER GETKEYSINSLOT", slot, 100)
            assert len(keys) > 1
            # One of the keys of a script is there, the others are here.
            await asyncio.to_thread(giver.ask, "MIGRATE", "127.0.0.1", taker.port, "", 0, 5000, "KEYS", keys[0])
            await more(outcomes, "unavailable", 5)
            for node in (taker, *(each for each in cluster.masters() if each is not taker)):
                node.ask("CLUSTER SETSLOT", slot, "NODE", taker.ask("CLUSTER MYID"))
            await more(outcomes, "answered")
    finally:
        _give_back(cluster, giver, taker, slot)
    ledger.settle(reservation, Usage(1, 1, 0, 1))


def _give_back(cluster: RedisServers, giver: RedisNode, taker: RedisNode, slot: int) -> None:
    cluster.flush()
    for node in (giver, *(each for each in cluster.masters() if each is not giver)):
        node.ask("CLUSTER SETSLOT", slot, "NODE", giver.ask("CLUSTER MYID"))


async def test_health_says_how_many_masters_answer_and_why_one_does_not(cluster: RedisServers) -> None:
    probe = redis_probe(cluster.full_url)
    details = await probe()
    assert (details["mode"], details["masters"]) == ("cluster", MASTERS)
    victim = cluster.masters()[1]
    roles = {node.port: node.ask("ROLE") for node in cluster.nodes}
    replica = next(node for node in cluster.nodes if roles[node.port][2] == victim.port)
    victim.kill()
    replica.kill()
    with pytest.raises(Unavailable, match="Redis"):
        await eventually(probe, within_s=FOUND_AGAIN_S)
    await asyncio.to_thread(cluster.heal)

    async def healthy() -> bool:
        try:
            return (await probe())["masters"] == MASTERS
        except Unavailable:
            return False

    await eventually(healthy, within_s=FOUND_AGAIN_S)
