"""A player is rewritten out of days that are over and sealed too, and who lived then still wakes as they were."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ganggpt.actors.maintenance.housekeeping import Housekeeping
from ganggpt.actors.routing.shards import Residences
from ganggpt.actors.routing.table import residences_of
from ganggpt.domain.erasure import ForgetPlayer
from ganggpt.domain.npc.commands import Give, Observe, Talk
from ganggpt.domain.turn import Command
from ganggpt.errors import Refused, Unavailable, UnknownActor
from ganggpt.operations.erasure_preview import TextChange, preview
from ganggpt.operations.player_data import (
    RECORD,
    export,
    follow,
    order_erasure,
    orders_again,
    player_actor,
)
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.player_data.player_data import PostgresPlayerData
from ganggpt.persistence.ports.journal import Batch
from ganggpt.persistence.projections.rows import player_id
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.runtime.maintenance import erasing_of
from tests.support.builders import WORLD
from tests.support.past import Npc, Past, npc

pytestmark = pytest.mark.integration

ZEPHYR = player_actor("zephyr")


async def met_zephyr(past: Past, who: Npc, days_ago: int) -> None:
    """The NPC saw her, and talked about her with somebody else."""
    batch = Batch()
    at_s = past.at(days_ago).timestamp()
    past.add(batch, who, at_s)
    past.add(batch, who, at_s + 1, Observe("Zephyr hid a quetzal", 70, ZEPHYR))
    past.add(batch, who, at_s + 2, Observe("zephyr is up to something", 60, "player:ben"))
    await past.journal.append(past.epoch, batch)


async def forgets_zephyr(past: Past, who: Npc) -> None:
    """What a host makes of the message."""
    batch = Batch()
    forget = ForgetPlayer(ZEPHYR, ("Zephyr",), "player:forgotten-1", ())
    past.add(batch, who, past.at(0).timestamp(), forget)
    await past.journal.append(past.epoch, batch)


async def carry_out(pool: asyncpg.Pool, redis_url: str | None = None) -> None:
    hosts = PostgresHosts(pool)

    async def residences() -> Residences:
        return residences_of(await hosts.routes())

    await erasing_of(pool, redis_url, residences, WORLD).carry_out_all()


async def journal_text(pool: asyncpg.Pool) -> str:
    return repr([tuple(row.values()) for row in await pool.fetch("SELECT * FROM journal ORDER BY actor, seq")])


async def known(pool: asyncpg.Pool, name: str = "Zephyr") -> None:
    await pool.execute(
        "INSERT INTO players (username, email, actor, created_at) VALUES ($1, $2, $3, now() - interval '9 d')",
        name, f"{name}@example.org", f"player:{name.lower()}",
    )  # fmt: skip


async def test_a_sealed_day_is_rewritten_and_stays_sealed(
    past: Past, keeping: Housekeeping, pool: asyncpg.Pool, redis_url: str
) -> None:
    mara = npc("mara")
    await past.make_days(5)
    await met_zephyr(past, mara, days_ago=5)
    await past.live(mara, 0)
    sealed = await keeping.round()
    assert past.name(5) in sealed.sealed
    await forgets_zephyr(past, mara)
    state = (await past.woken(mara))[1]
    assert "quetzal" in await journal_text(pool)
    await known(pool)
    async with connect_redis(redis_url, 5.0) as cache:
        await cache.set("ganggpt:npc:mara:memory", b'{"about": "player:zephyr"}')
        await cache.sadd("ganggpt:ai:of:player:zephyr", "ganggpt:ai:response:1")
        await cache.set("ganggpt:ai:response:1", b"she keeps a bird")
        await cache.xadd("ganggpt:pushes:main", {"p": b"player:zephyr said so"})
        await cache.set("ganggpt:npc:otis:memory", b"{}")

        no = await order_erasure(pool, ZEPHYR, None)
        await carry_out(pool, redis_url)

        kept = [key async for key in cache.scan_iter("*")]
        assert Counter(kept) == Counter([b"ganggpt:npc:otis:memory", b"ganggpt:pushes:main"])
        assert await cache.xrange("ganggpt:pushes:main") == []
    text = await journal_text(pool)
    assert "quetzal" not in text
    assert "zephyr" not in text.lower()
    assert "somebody is up to something" in text
    assert (await past.woken(mara))[1] == state
    checks = await pool.fetch("SELECT conname FROM pg_constraint WHERE conname = $1", f"{past.name(5)}_sealed")
    assert len(checks) == 1
    order = await PostgresPlayerData(pool).order(no)
    assert order.done_at is not None
    assert (order.player, order.names) == (None, ())
    assert order.erased["turns"] >= 3
    assert await pool.fetchval("SELECT count(*) FROM players WHERE actor = $1", ZEPHYR) == 0


WILL = player_actor("will")
KEPT = "I will bring it, and will watch the pier"
NAMED = "Ben saw Will at the pier, and JOSE too"


async def lives_with_will(past: Past, who: Npc) -> None:
    """The NPC knows Will, who called himself "watch", saw things that are called alike, and spoke to Ben."""
    batch = Batch()
    at_s = past.at(0).timestamp() - 60
    commands: list[tuple[Command, str]] = [
        (Observe("nothing much", 1), "server:s"),
        (Talk("I am back.", "watch"), WILL),
        (Give("silver watch", 400, "Ben"), "player:ben"),
        (Observe(KEPT, 60, "player:ben"), "server:s"),
        (Observe(NAMED, 60, "player:ben"), "server:s"),
    ]
    for n, (command, by) in enumerate(commands):
        past.add(batch, who, at_s + n, command, by)
    await past.journal.append(past.epoch, batch)


async def test_a_player_called_like_a_word_is_shown_and_erased_and_the_word_stays(
    past: Past, pool: asyncpg.Pool, redis_url: str
) -> None:
    mara = npc("mara")
    await lives_with_will(past, mara)
    await known(pool, "Will")
    await pool.execute("UPDATE players SET username = 'José', id = $2 WHERE actor = $1", WILL, player_id(WILL))
    mission = "INSERT INTO missions (id, title, description) VALUES (gen_random_uuid(), $1, $2)"
    await pool.execute(mission, "Watch the Docks", "Find Will. I will pay.")
    exchange = (
        "INSERT INTO ai_exchanges (key, request_key, at, model, request, answer, finish, categories, failure,"
        " tokens_in, tokens_out, tokens_cached, known, took_ms)"
        " VALUES ($1, $1, now(), 'm', $2, '', '', '{}', '', 0, 0, 0, true, 0)"
    )
    await pool.execute(exchange, "word", '{"messages": [{"content": "I will watch"}]}')
    await pool.execute(exchange, "name", '{"messages": [{"content": "I saw Will"}]}')
    before = await journal_text(pool)

    shown = [change async for change in preview(pool, WILL, WORLD)]
    assert await journal_text(pool) == before, "it changes nothing"
    assert await PostgresPlayerData(pool).open_orders() == []
    left = "Ben saw somebody at the pier, and somebody too"
    assert ("memories.text", NAMED, left) in [(c.field, c.before, c.after) for c in shown if c.row == "npc:mara"]
    assert any(c.row == "npc:mara#5" and c.before == NAMED and c.after == left for c in shown)
    assert ("description", "Find Will. I will pay.", "Find somebody. I will pay.") in [
        (c.field, c.before, c.after) for c in shown if c.table == "missions"
    ]
    assert not [c for c in shown if KEPT in c.before or c.before in ("silver watch", "Watch the Docks")]
    assert {"journal", "snapshots", "missions", "ai_exchanges", "players"} == {c.table for c in shown}

    batch = Batch()
    past.add(
        batch, mara, past.at(0).timestamp(), ForgetPlayer(WILL, ("will", "José"), "player:forgotten-1", (), ("will",))
    )
    await past.journal.append(past.epoch, batch)
    async with connect_redis(redis_url, 5.0) as cache:
        await cache.set("ganggpt:ai:response:1", b'{"say": "I will watch"}')
        await cache.set("ganggpt:ai:response:2", b'{"say": "I saw Will"}')
        no = await order_erasure(pool, WILL, None)
        await carry_out(pool, redis_url)
        assert [key async for key in cache.scan_iter("ganggpt:ai:*")] == [b"ganggpt:ai:response:1"]

    order = await PostgresPlayerData(pool).order(no)
    assert order.done_at is not None
    assert order.rounds <= 3, "what stays on purpose is not looked at for ever"
    text = await journal_text(pool)
    assert KEPT in text
    assert "silver watch" in text
    assert left in text
    assert "Will" not in text
    assert await pool.fetchval("SELECT title || '. ' || description FROM missions") == (
        "Watch the Docks. Find somebody. I will pay."
    )
    assert [row["key"] for row in await pool.fetch("SELECT key FROM ai_exchanges")] == ["word"]
    assert [change async for change in preview_of_rest(pool)] == []


async def preview_of_rest(pool: asyncpg.Pool) -> AsyncIterator[TextChange]:
    """What an erasure would still change afterwards, as if the player were known again."""
    await known(pool, "Will")
    async for change in preview(pool, WILL, WORLD):
        if change.table != "players":
            yield change


async def test_everything_about_a_player_is_exported_before(past: Past, pool: asyncpg.Pool) -> None:
    mara = npc("mara")
    await met_zephyr(past, mara, days_ago=0)
    found = await export(pool, ZEPHYR)
    (memory,) = found["actors"]["npc:mara"]["now"]["memories"]
    assert memory["text"] == "Zephyr hid a quetzal"
    assert [turn["command"] for turn in found["actors"]["npc:mara"]["turns"]] == ["Observe"]
    with pytest.raises(UnknownActor):
        await export(pool, player_actor("nobody"))


async def test_only_who_is_known_and_gone_home_can_be_erased(pool: asyncpg.Pool) -> None:
    with pytest.raises(UnknownActor):
        await order_erasure(pool, ZEPHYR, None)
    await known(pool)
    await pool.execute("UPDATE players SET online = true, server = 'main'")
    with pytest.raises(Refused) as refused:
        await order_erasure(pool, ZEPHYR, None)
    assert refused.value.reason == "online"
    first = await order_erasure(pool, ZEPHYR, None, even_online=True)
    assert await order_erasure(pool, ZEPHYR, None, even_online=True) == first, "one order at a time"
    assert (await follow(pool, first)).done_at is None, "nobody runs who would do it, so nobody waits"


async def test_a_restored_world_has_to_forget_again_whom_it_was_told_to_forget(
    pool: asyncpg.Pool, tmp_path: Path
) -> None:
    place = str(tmp_path / "snapshots")
    assert await orders_again(pool, place) == 0
    await known(pool)
    await known(pool, "Benedict")
    await order_erasure(pool, ZEPHYR, place)
    assert "zephyr" not in (tmp_path / "snapshots" / RECORD).read_text()
    assert len(json.loads((tmp_path / "snapshots" / RECORD).read_text())) == 1
    await pool.execute("DELETE FROM erasures")  # as in the database of an older snapshot
    assert await orders_again(pool, place) == 1
    assert [order.player for order in await PostgresPlayerData(pool).open_orders()] == [ZEPHYR]
    await pool.execute("DELETE FROM erasures")
    await pool.execute("UPDATE players SET created_at = now() + interval '1 day'")  # joined anew since
    assert await orders_again(pool, place) == 0


async def test_an_erasure_that_was_interrupted_goes_on_where_it_was(past: Past, pool: asyncpg.Pool) -> None:
    mara = npc("mara")
    await met_zephyr(past, mara, days_ago=0)
    await forgets_zephyr(past, mara)
    await known(pool)
    no = await order_erasure(pool, ZEPHYR, None)
    with pytest.raises(Unavailable):
        await carry_out(pool, "redis://127.0.0.1:1/0")
    assert [order.no for order in await PostgresPlayerData(pool).open_orders()] == [no]
    await carry_out(pool)
    order = await PostgresPlayerData(pool).order(no)
    assert order.done_at is not None
    assert "quetzal" not in await journal_text(pool)
