"""The bridge in an overload, over real sockets: a real router with a host that answers when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed

from ganggpt.actors.envelope import decode_batch, encode_replies, reply_ok
from ganggpt.actors.overload import OverloadReply
from ganggpt.actors.routing.admission import Admission, AdmissionOptions
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import Residences, Routes, shared_shards
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.limits import Limits
from ganggpt.serve.metrics.router_watch import RouterWatch
from tests.support.bridge_client import GameServer, greeted
from tests.support.bridge_rig import Rig, served
from tests.support.eventually import eventually

SMALL = AdmissionOptions(wait_s=1.0, burst_max=100, burst_s=1000.0, limit_min=20, rate_first_per_s=10.0)
"""A hundred are let in, and next to nothing is earned while a test runs."""


class Host:
    """Answers a call for each time it is told to."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(0)

    def go(self) -> None:
        """Answer everything from now on."""
        for _ in range(10_000):
            self.turns.release()

    async def call(self, _: str, batch: bytes) -> bytes:
        await self.turns.acquire()
        taken = decode_batch(batch)
        return encode_replies([reply_ok(envelope.id, 1, {}) for envelope in taken])


async def all_on_one() -> Routes:
    return Routes(Residences(4), dict.fromkeys(shared_shards(4), "host:0"))


@asynccontextmanager
async def flooded(
    limits: Limits | None = None, admission: AdmissionOptions = SMALL
) -> AsyncIterator[tuple[str, Host, Router, Rig]]:
    """A bridge before a router and a host that holds everything."""
    host = Host()
    router = Router(host.call, all_on_one, RouterOptions(admission=admission))
    await router.start()
    rig = Rig(port=router, limits=limits or Limits())  # type: ignore[arg-type]
    async with served(rig.app) as address:
        yield address, host, router, rig
    await router.close()


def talks(game: GameServer, count: int, **more: Any) -> list[dict[str, Any]]:
    return [game.talk(to=f"npc:n{n}", **more) for n in range(count)]


async def test_a_greedy_server_is_told_to_wait_and_a_polite_one_is_let_in_beside_it() -> None:
    async with (
        flooded(admission=replace(SMALL, wait_s=0.01, rate_first_per_s=1000.0)) as (address, host, router, _),
        greeted(address, "greedy") as (greedy, _),
        greeted(address, "polite") as (polite, _),
    ):
        await greedy.send({"t": "commands", "c": talks(greedy, 256)})
        shed = await greedy.replies(150)
        assert {reply["error"]["code"] for reply in shed.values()} == {"overloaded"}
        assert all(reply["error"]["retryable"] for reply in shed.values())
        assert len({reply["error"]["retry_after_ms"] for reply in shed.values()}) > 4
        mine = talks(polite, 8)
        host.go()
        rounds = 0
        while mine:
            await greedy.send({"t": "commands", "c": talks(greedy, 200)})
            await polite.send({"t": "commands", "c": mine})
            heard = await polite.replies(len(mine))
            mine = [talk for talk in mine if not heard[talk["id"]]["ok"]]
            rounds += 1
            # Politeness is to wait as long as one was told; how many rounds that takes does not depend on the machine.
            await asyncio.sleep(max([heard[talk["id"]]["error"]["retry_after_ms"] for talk in mine], default=0) / 1000)
        assert rounds < 20
        assert router.shed.total() >= 150


async def test_a_frame_that_finds_no_room_is_not_even_read() -> None:
    async with flooded() as (address, host, router, rig), greeted(address) as (game, _):
        await game.send({"t": "commands", "c": talks(game, 150)})
        await game.replies(50)
        before = router.waiting
        bad = [{**game.talk(), "with": {"text": ""}}, {**game.talk(), "nonsense": 1}]
        await game.send({"t": "commands", "c": bad})
        refused = await game.hear()
        assert refused["t"] == "refused"
        assert refused["error"]["code"] == "overloaded"
        assert refused["error"]["retry_after_ms"] > 0
        assert refused["ids"] == [talk["id"] for talk in bad]
        assert router.waiting == before
        text = rig.metrics.exposition().decode()
        assert 'ganggpt_bridge_refused_total{code="overloaded"}' in text
        host.go()
        assert all(reply["ok"] for reply in (await game.replies(100)).values())


async def test_what_finds_room_in_a_frame_is_taken_and_the_rest_is_refused_together() -> None:
    async with flooded() as (address, host, _, _), greeted(address) as (game, _):
        await game.send({"t": "commands", "c": talks(game, 150)})
        shed = await game.replies(50)
        again = [{**game.talk(), "id": next(iter(shed))}, *talks(game, 20)]
        bad = {**game.talk(), "id": b"short"}
        await game.send({"t": "commands", "c": [*again[:5], bad, *again[5:]]})
        refused = await game.hear()
        assert refused["t"] == "refused"
        assert refused["ids"] == [talk["id"] for talk in again]
        (unreadable,) = (await game.hear())["r"]
        assert (unreadable["id"], unreadable["error"]["code"]) == (None, "invalid_input")
        host.go()
        assert all(reply["ok"] for reply in (await game.replies(100)).values())


@pytest.mark.parametrize("binary", [True, False])
async def test_a_resend_of_what_is_in_flight_is_not_turned_away(binary: bool) -> None:
    async with flooded() as (address, host, _, _), greeted(address, binary=binary) as (game, _):
        mine = talks(game, 150)
        await game.send({"t": "commands", "c": mine})
        shed = await game.replies(50)
        taken = [talk for talk in mine if talk["id"] not in shed]
        await game.send({"t": "commands", "c": [taken[0], game.talk()]})
        assert taken[0]["id"] not in await game.replies(1)
        host.go()
        heard = await game.replies(100)
        assert set(heard) == {talk["id"] for talk in taken}
        assert all(reply["ok"] for reply in heard.values())


async def test_a_session_at_its_in_flight_limit_is_answered_without_asking_anybody() -> None:
    async with (
        flooded(replace(Limits(), in_flight_max=50)) as (address, host, router, _),
        greeted(address) as (game, welcome),
    ):
        assert welcome["limits"]["in_flight_max"] == 50
        await game.send({"t": "commands", "c": talks(game, 50)})
        await game.send({"t": "commands", "c": talks(game, 200)})
        heard = await game.replies(200)
        assert {reply["error"]["code"] for reply in heard.values()} == {"overloaded"}
        assert not router.shed.total()
        host.go()
        assert all(reply["ok"] for reply in (await game.replies(50)).values())


@pytest.mark.parametrize("binary", [True, False])
async def test_admission_decides_once_over_each_command(binary: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions: Counter[str] = Counter()
    decide = Admission.refusal

    def counted(self: Admission, source: str, actor: str, now_s: float) -> OverloadReply | None:
        decisions[actor] += 1
        return decide(self, source, actor, now_s)

    monkeypatch.setattr(Admission, "refusal", counted)
    async with flooded() as (address, host, router, _), greeted(address, binary=binary) as (game, _):
        await game.send({"t": "commands", "c": [game.talk(to="npc:first")]})
        await eventually(lambda: router.waiting == 1, "the lane is there")
        (lane,) = (lane for lane in router.lanes if lane.way == "host:0")
        lane.admission.shedding = True  # with room: everybody is let in, and asked for
        mine, broken = talks(game, 5), game.talk(to="npc:broken", nonsense=1)
        await game.send({"t": "commands", "c": [*mine, broken]})
        assert set(await game.replies(1)) == {broken["id"]}
        assert {decisions[talk["to"]] for talk in mine} == {1}
        assert lane.admission.outstanding == router.waiting == 6
        host.go()
        assert {talk["id"] for talk in mine} < set(await game.replies(6))


@pytest.mark.slow
async def test_a_flood_that_is_not_read_ends_with_a_reason() -> None:
    limits = replace(Limits(), in_flight_max=10, out_bytes_max=256 * 1024)
    async with flooded(limits) as (address, _, _, rig), greeted(address) as (game, _):
        game.socket.transport.pause_reading()
        await game.send({"t": "commands", "c": talks(game, 10)})
        frame = msgpack.packb({"t": "commands", "c": talks(game, 250)})
        async with asyncio.timeout(20):
            while rig.app.sessions.traffic.sessions:
                with contextlib.suppress(TimeoutError, ConnectionClosed):
                    async with asyncio.timeout(1):  # the server may have stopped reading by then
                        await game.socket.send(frame)
                await asyncio.sleep(0)
        game.socket.transport.resume_reading()
    assert 'ganggpt_bridge_closed_total{reason="too_slow"} 1.0' in rig.metrics.exposition().decode()
    assert rig.app.sessions.traffic.in_flight == 0


async def test_metrics_say_who_is_turned_away_and_how_full_a_lane_is() -> None:
    metrics = Metrics()
    async with flooded() as (address, host, router, _), greeted(address) as (game, _):
        metrics.registry.register(RouterWatch(router))
        await game.send({"t": "commands", "c": talks(game, 150)})
        await game.replies(50)
        text = metrics.exposition().decode()
        assert 'ganggpt_router_shed_total{reason="lane"} 50.0' in text
        assert 'ganggpt_router_shedding{host="host:0"} 1.0' in text
        assert 'ganggpt_router_outstanding{host="host:0"} 100.0' in text
        assert "ganggpt_router_wait_seconds_count 2.0" in text
        host.go()
        await game.replies(100)
        assert 'ganggpt_router_outstanding{host="host:0"} 0.0' in metrics.exposition().decode()
