"""How many hosts a cluster should run, in Postgres; and `ganggpt scale` on top of it."""

from __future__ import annotations

import time

import asyncpg
import pytest
from pydantic import SecretStr

from ganggpt.cli.scale_command import Bounds, apply
from ganggpt.config import Settings
from ganggpt.errors import InvalidInput, NotRunning
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.ports.clusters import WantedHosts
from ganggpt.persistence.scale import PostgresScale

pytestmark = pytest.mark.integration

LOAD = {
    "least": 2,
    "most": 4,
    "starting": ["host:1"],
    "leaving": [],
    "hosts": {"host:0": {"turns_per_s": 12.5, "delay_p99_s": 0.004, "lag_s": 0.001, "cpu": 0.3, "hot": 7}},
}


@pytest.fixture
async def scale(pool: asyncpg.Pool) -> PostgresScale:
    """A cluster whose supervisor has begun, with one host."""
    await PostgresClusters(pool, "local").enter(None)
    hosts = PostgresHosts(pool)
    await pool.execute("INSERT INTO shards (shard, residence) VALUES ('s:0', 'shared'), ('s:1', 'shared')")
    await hosts.register("host:0", "shared", "machine/17", "c0ffee" * 9)
    await hosts.register("faction:ballas", "own")
    await hosts.assign({"s:0": "host:0", "s:1": "host:0"})
    return PostgresScale(pool)


@pytest.fixture
def settings(database: str) -> Settings:
    return Settings.model_construct(
        **{**Settings.model_construct().model_dump(), "database_url": SecretStr(database), "cluster": "local"}
    )


async def test_what_is_wished_and_told_is_read_again(scale: PostgresScale, pool: asyncpg.Pool) -> None:
    assert await scale.wanted() == WantedHosts()
    assert await scale.load() is None
    await scale.set_limits(2, 6, 3)
    before_s = time.monotonic()
    await scale.report(3, LOAD)
    assert await PostgresScale(pool).wanted() == WantedHosts(3, 2, 6, 3)
    load = await scale.load()
    assert load is not None
    assert load.report == LOAD
    assert 0 <= load.age_s <= time.monotonic() - before_s
    await scale.set_limits(None, None, None)
    assert await scale.wanted() == WantedHosts(3)


async def test_a_cluster_that_was_never_there_has_no_wishes(pool: asyncpg.Pool) -> None:
    stranger = PostgresScale(pool, "stranger")
    await stranger.set_limits(1, 2, None)
    assert await stranger.wanted() == WantedHosts()
    assert await stranger.hosts() == []


async def test_the_table_shows_hosts_with_their_load(scale: PostgresScale, settings: Settings) -> None:
    await scale.report(2, LOAD)
    found = await apply(settings, None)
    (host,) = found.pop("hosts")
    assert found.pop("told_s_ago") < 5
    assert found == {
        "cluster": "local", "running": 1, "wanted": 2, "min": 2, "max": 4, "fixed": None, "starting": ["host:1"],
        "own": 1,
    }  # fmt: skip
    assert (host["host"], host["state"], host["shards"], host["address"]) == ("host:0", "live", 2, "machine/17")
    assert (host["turns_per_s"], host["hot"], host["memory_bytes"]) == (12.5, 7, None)


async def test_a_leaving_host_is_shown_as_such(scale: PostgresScale, settings: Settings) -> None:
    await scale.report(1, {**LOAD, "leaving": ["host:0"]})
    found = await apply(settings, None)
    assert [host["state"] for host in found["hosts"]] == ["leaving"]


async def test_a_silent_supervisor_tells_no_load(scale: PostgresScale, settings: Settings, pool: asyncpg.Pool) -> None:
    await scale.report(2, LOAD)
    await pool.execute("UPDATE clusters SET load_at = load_at - interval '1 minute'")
    found = await apply(settings, None)
    assert found["told_s_ago"] >= 60
    assert found["hosts"][0]["turns_per_s"] is None
    assert found["starting"] == []


async def test_steering_goes_through_the_database(scale: PostgresScale, settings: Settings) -> None:
    assert (await apply(settings, Bounds(count=3)))["wanted"] == 3
    assert await scale.wanted() == WantedHosts(0, None, None, 3)
    await apply(settings, Bounds(least=2, most=6))
    assert await scale.wanted() == WantedHosts(0, 2, 6, None)
    await apply(settings, Bounds(least=4))
    assert await scale.wanted() == WantedHosts(0, 4, 6, None)
    with pytest.raises(InvalidInput, match="4 to 3"):
        await apply(settings, Bounds(most=3))
    await apply(settings, Bounds(auto=True))
    assert await scale.wanted() == WantedHosts()


async def test_where_no_host_lives_nothing_is_set(scale: PostgresScale, settings: Settings, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE hosts SET state = 'dead'")
    with pytest.raises(NotRunning, match="ganggpt up"):
        await apply(settings, Bounds(count=3))
    assert await scale.wanted() == WantedHosts()
