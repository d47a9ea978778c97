"""Reads while an actor does not answer: what was last seen, marked as stale, and never a wrong one for who insists."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from ganggpt.actors.envelope import Envelope, reply_error, reply_ok
from ganggpt.errors import Unavailable, UnknownActor
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.cache import actor_key
from ganggpt.serve.rest.views import Seen, Views
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import MemoryCache, Rig

MARA = "npc:mara"


class SleepyPort:
    """Answers reads when it is awake; a question asked while it sleeps is answered by ``wake``."""

    def __init__(self) -> None:
        self.awake = asyncio.Event()
        self.awake.set()
        self.asked = 0
        self.mood = "calm"
        self.error: Unavailable | UnknownActor | None = None

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        self.asked += 1
        await self.awake.wait()
        if self.error is not None:
            return reply_error(envelope.id, self.error)
        return reply_ok(envelope.id, self.asked, {"mood": self.mood})

    def submit(self, envelopes: Any, sink: Any) -> None:
        raise AssertionError("a read asks")


@pytest.fixture
async def port() -> SleepyPort:
    return SleepyPort()


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def views(port: SleepyPort, cache: MemoryCache) -> Views:
    return Views(port, cache, Metrics(), timeout_s=5.0)


async def seen_long_ago(views: Views, cache: MemoryCache) -> None:
    """One read whose short-lived cache entry is over."""
    assert (await views.read(MARA, "server:test")).answer["ok"]
    del cache.values[actor_key(MARA)]


def mood(seen: Seen) -> str:
    return str(seen.answer["reply"]["mood"])


async def test_a_sleeping_actor_is_shown_as_it_was_last_seen_and_the_question_goes_on(
    views: Views, port: SleepyPort, cache: MemoryCache
) -> None:
    await seen_long_ago(views, cache)
    port.awake.clear()
    port.mood = "angry"
    first, second = await asyncio.gather(views.read(MARA, "server:test"), views.read(MARA, "server:test"))
    assert (mood(first), first.stale, second.stale) == ("calm", True, True)
    assert port.asked == 2, "one question for all who wait"
    port.awake.set()
    now = await views.read(MARA, "server:test")
    assert (mood(now), now.stale) == ("angry", False)


async def test_a_shard_without_a_host_is_no_reason_to_fail_a_read(
    views: Views, port: SleepyPort, cache: MemoryCache
) -> None:
    await seen_long_ago(views, cache)
    port.error = Unavailable("the actor's shard")
    seen = await views.read(MARA, "server:test")
    assert (mood(seen), seen.stale) == ("calm", True)


async def test_an_actor_that_says_no_is_believed(views: Views, port: SleepyPort, cache: MemoryCache) -> None:
    await seen_long_ago(views, cache)
    port.error = UnknownActor(MARA)
    seen = await views.read(MARA, "server:test")
    assert seen.answer["error"]["code"] == "unknown_actor"
    assert not seen.stale


async def test_who_wants_it_fresh_waits_for_the_actor(views: Views, port: SleepyPort, cache: MemoryCache) -> None:
    await seen_long_ago(views, cache)
    port.awake.clear()
    reading = asyncio.create_task(views.read(MARA, "server:test", fresh=True))
    await views.read(MARA, "server:test")
    assert not reading.done()
    port.awake.set()
    assert not (await reading).stale


async def test_what_was_never_seen_is_waited_for_within_bounds(port: SleepyPort, cache: MemoryCache) -> None:
    port.awake.clear()
    with pytest.raises(Unavailable):
        await Views(port, cache, Metrics(), timeout_s=0.3).read(MARA, "server:test")
    port.awake.set()
    assert (await Views(port, cache, Metrics()).read(MARA, "server:test")).answer["ok"]


async def test_rest_marks_a_stale_view_and_tells_its_age() -> None:
    rig = Rig()
    async with client_of(rig) as http:
        fresh = await http.get("/v1/npcs/mara")
        assert (fresh.headers["Age"], "X-Stale" in fresh.headers) == ("0", False)
        del rig.cache.values[actor_key(MARA)]
        rig.port.refusal = Unavailable("host host:0")
        stale = await http.get("/v1/npcs/mara")
        assert (stale.status_code, stale.headers["X-Stale"], stale.json()) == (200, "true", fresh.json())
        insisted = await http.get("/v1/npcs/mara", headers={"Cache-Control": "no-cache"})
        assert insisted.status_code == httpx.codes.SERVICE_UNAVAILABLE
