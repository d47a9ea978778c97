"""Counters in Redis, the record behind them in Postgres, and the switch over several gateways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ganggpt.ai.gateway.budget import BudgetCounter, Ledger, Limit, OverBudget, Reservation, SwitchedOff, claims_of
from ganggpt.ai.gateway.local_ledger import LocalLedger
from ganggpt.ai.gateway.spending import Spend
from ganggpt.ai.port import Answered, NotAnswered, Payers, Usage
from ganggpt.errors import Unavailable
from ganggpt.persistence.models.ledger import SWITCH, RedisLedger, SharedSwitch
from ganggpt.persistence.models.spend import PostgresSpend
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.testing.fake_model import Hang, fake_model
from tests.support.gateway_rig import Rig, talk

pytestmark = pytest.mark.integration
NOW_S = 1_800_000_000.0
ANA = Payers("player:ana", "npc:mara", "faction:vagos")
LIMITS = [Limit("server", "day", "nano_usd", 1000), Limit("npc", "hour", "calls", 3)]


@pytest.fixture
async def books(pool: asyncpg.Pool) -> AsyncIterator[PostgresSpend]:
    lost: list[int] = []
    opened = PostgresSpend(pool, lost.append)
    yield opened
    await opened.close()
    assert not lost


@pytest.fixture(params=["redis", "local"])
async def ledger(request: pytest.FixtureRequest, books: PostgresSpend, redis_url: str) -> AsyncIterator[Ledger]:
    opened: Ledger = LocalLedger(books.is_on, books.sum_of)
    if request.param == "redis":
        opened = RedisLedger(redis_url, books.is_on, books.sum_of, clock=lambda: NOW_S)
    yield opened
    await opened.close()


def usage(nano_usd: int) -> Usage:
    return Usage(1, 1, 0, nano_usd)


async def settled(ledger: Ledger, reservation: Reservation, spent: Usage) -> None:
    ledger.settle(reservation, spent)
    if isinstance(ledger, RedisLedger):
        await ledger.flush()


async def reserved(ledger: Ledger, nano_usd: int, payers: Payers = ANA) -> Reservation:
    return await ledger.reserve(claims_of(LIMITS, payers, usage(nano_usd), NOW_S), 10)


async def test_a_reservation_is_all_or_nothing(ledger: Ledger) -> None:
    await reserved(ledger, 900)
    with pytest.raises(OverBudget) as caught:
        await reserved(ledger, 101)
    assert (caught.value.kind, caught.value.unit, caught.value.most) == ("server", "nano_usd", 1000)
    for _ in range(2):
        await reserved(ledger, 50)
    with pytest.raises(OverBudget) as caught:
        await reserved(ledger, 0)
    assert (caught.value.kind, caught.value.name) == ("npc", "npc:mara")
    await reserved(ledger, 0, Payers("player:ana"))


async def test_settling_gives_back_what_was_not_spent_and_takes_what_was_more(ledger: Ledger) -> None:
    reservation = await reserved(ledger, 1000)
    await settled(ledger, reservation, usage(200))
    reservation = await reserved(ledger, 700)
    await settled(ledger, reservation, usage(900))
    with pytest.raises(OverBudget):
        await reserved(ledger, 0, Payers("player:ana"))


async def test_many_at_once_never_pass_a_limit(ledger: Ledger) -> None:
    results = await asyncio.gather(
        *(reserved(ledger, 30, Payers(f"player:p{n}")) for n in range(100)), return_exceptions=True
    )
    assert sum(isinstance(result, Reservation) for result in results) == 33
    assert all(isinstance(result, Reservation | OverBudget) for result in results)


async def test_a_counter_that_is_not_known_begins_with_what_was_recorded(ledger: Ledger, books: PostgresSpend) -> None:
    for _ in range(2):
        books.write(Spend(NOW_S + 5, ANA, "dialogue", "talk", "m", usage(300)))
    await reserved(ledger, 400)
    with pytest.raises(OverBudget):
        await reserved(ledger, 1)


async def test_the_switch_is_seen_by_everybody(ledger: Ledger, books: PostgresSpend, redis_url: str) -> None:
    assert await ledger.is_on()
    await books.set_switch("costs", on=False)
    shared = SharedSwitch(redis_url, clock=lambda: NOW_S)
    await shared.forget()
    with pytest.raises(SwitchedOff):
        await reserved(ledger, 1)
    assert not await ledger.is_on()
    await books.set_switch("", on=True)
    await shared.forget()
    await reserved(ledger, 1)
    await shared.close()


async def test_a_redis_that_forgot_everything_gives_nobody_a_second_budget(
    books: PostgresSpend, redis_url: str
) -> None:
    ledger = RedisLedger(redis_url, books.is_on, books.sum_of, clock=lambda: NOW_S)
    reservation = await reserved(ledger, 1000)
    await settled(ledger, reservation, usage(1000))
    # A settlement that is sent twice counts once.
    await settled(ledger, reservation, usage(0))
    with pytest.raises(OverBudget):
        await reserved(ledger, 1)
    books.write(Spend(NOW_S, ANA, "dialogue", "talk", "m", usage(1000)))
    await books.set_switch("", on=False)
    client = connect_redis(redis_url, 1.0)
    for key in [key async for key in client.scan_iter("*")]:
        await client.delete(key)
    with pytest.raises(SwitchedOff):
        await reserved(ledger, 1)
    await books.set_switch("", on=True)
    await client.delete(SWITCH)
    with pytest.raises(OverBudget):
        await reserved(ledger, 1)
    await client.aclose()
    await ledger.close()


async def test_nothing_leaves_where_the_counters_cannot_be_reached(books: PostgresSpend) -> None:
    ledger = RedisLedger("unix:///nowhere/redis.sock", books.is_on, books.sum_of)
    async with fake_model() as server:
        rig = Rig(server)
        outcome = await rig.build(ledger=ledger, limits=LIMITS).answer(talk())
        await rig.gateway.close()
    assert isinstance(outcome, NotAnswered)
    assert outcome.reason == "away"
    assert server.count == 0
    with pytest.raises(Unavailable):
        await ledger.is_on()
    await ledger.close()


async def test_a_settlement_redis_never_took_is_counted() -> None:
    unsettled: list[int] = []
    ledger = RedisLedger("unix:///nowhere/redis.sock", never_asked, never_asked, unsettled.append)
    ledger.settle(Reservation("h", ()), usage(1))
    with pytest.raises(Unavailable):
        await ledger.flush()
    await ledger.close()
    assert unsettled == [1]


async def never_asked(*_: object) -> Any:
    raise AssertionError


async def test_two_gateways_share_one_budget(books: PostgresSpend, redis_url: str) -> None:
    limits = [Limit("server", "hour", "calls", 25)]
    async with fake_model() as server:
        rigs = [Rig(server) for _ in range(2)]
        ledgers = [RedisLedger(redis_url, books.is_on, books.sum_of, rig.clock) for rig in rigs]
        gateways = [rig.build(ledger=one, limits=limits) for rig, one in zip(rigs, ledgers, strict=True)]
        outcomes = await asyncio.gather(*(gateways[n % 2].answer(talk(f"q{n}")) for n in range(60)))
        for gateway, one in zip(gateways, ledgers, strict=True):
            await gateway.close()
            await one.close()
    assert sum(isinstance(outcome, Answered) for outcome in outcomes) == 25
    assert server.count == 25


async def test_after_off_and_the_end_of_what_had_left_the_server_hears_nothing_more(
    books: PostgresSpend, redis_url: str
) -> None:
    shared = SharedSwitch(redis_url)
    async with fake_model() as server:
        rig = Rig(server)
        ledger = RedisLedger(redis_url, books.is_on, books.sum_of)
        gateway = rig.build(ledger=ledger)
        server.faults.append(Hang())
        left = asyncio.create_task(gateway.answer(talk()))
        await server.until(lambda: server.count == 1)
        await books.set_switch("test", on=False)
        await shared.forget()
        assert await shared.under_way() == 1
        left.cancel()
        await asyncio.wait([left])
        async with asyncio.timeout(5):
            await ledger.flush()
        assert await shared.under_way() == 0
        outcomes = await asyncio.gather(*(gateway.answer(talk(str(n))) for n in range(50)))
        await gateway.close()
        await ledger.close()
    await shared.close()
    assert server.count == 1
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, NotAnswered)} == {"off"}


async def test_the_record_sums_by_hour_and_payer(books: PostgresSpend, pool: asyncpg.Pool) -> None:
    hour_s = int(NOW_S) // 3600 * 3600
    for n in range(6):
        payers = ANA if n % 2 else Payers("player:bob")
        books.write(Spend(hour_s + n * 900, payers, "dialogue", "talk", "m", Usage(10, 5, 2, 100, known=n != 0)))
    await books.flush()
    assert await books.sum_of(BudgetCounter("server", "all", "hour", "calls", hour_s)) == 4
    assert await books.sum_of(BudgetCounter("player", "player:ana", "day", "tokens", hour_s // 86400 * 86400)) == 45
    assert await pool.fetchval("SELECT sum(estimated) FROM ai_spend WHERE kind = 'server'") == 1


async def test_a_report_shows_who_spent_most(books: PostgresSpend, pool: asyncpg.Pool) -> None:
    now_s = await pool.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    for nano_usd, player in ((5, "player:ana"), (7, "player:bob"), (4, "player:ana")):
        books.write(Spend(now_s, Payers(player), "dialogue", "talk", "m", usage(nano_usd)))
    await books.flush()
    assert [(row.name, row.nano_usd) for row in await books.report("player", 1)] == [
        ("player:ana", 9), ("player:bob", 7),
    ]  # fmt: skip
    for by in ("purpose", "slot", "model", "hour"):
        (row,) = await books.report(by, 1)  # type: ignore[arg-type]
        assert (row.calls, row.nano_usd) == (3, 16)
    assert await books.sweep(0) > 0
    assert await books.report("player", 1) == []


async def test_notes_wait_while_the_database_is_unreachable(
    books: PostgresSpend, pool: asyncpg.Pool, monkeypatch: Any
) -> None:
    books.write(Spend(NOW_S, ANA, "dialogue", "talk", "m", usage(5)))
    with monkeypatch.context() as patch:
        patch.setattr(books, "_pool", await _closed(pool))
        with pytest.raises(Unavailable):
            await books.flush()
    await books.flush()
    assert await pool.fetchval("SELECT sum(nano_usd)::bigint FROM ai_spend WHERE kind = 'server'") == 5


async def _closed(pool: asyncpg.Pool) -> asyncpg.Pool:
    other = asyncpg.create_pool("postgresql://127.0.0.1:1/none", min_size=0, max_size=1, timeout=1)
    return await other
