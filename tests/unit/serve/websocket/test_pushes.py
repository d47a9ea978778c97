"""Pushes: once per connection, again after a cut until acked, and never lost with the live feed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ganggpt.protocol.limits import Limits
from tests.support.bridge_client import GameServer, greeted
from tests.support.bridge_rig import Rig, served
from tests.support.eventually import eventually


@pytest.fixture
async def rig() -> Rig:
    return Rig(limits=replace(Limits(), push_poll_s=0.05, pushes_unacked_max=8))


@pytest.fixture
async def address(rig: Rig) -> AsyncIterator[str]:
    async with served(rig.app) as where:
        yield where


async def _pushed(game: GameServer, count: int) -> list[int]:
    nos: list[int] = []
    while len(nos) < count:
        frame = await game.hear()
        assert frame["t"] == "pushes", frame
        nos.extend(push["no"] for push in frame["p"])
    return nos


async def _nothing_more(rig: Rig, game: GameServer) -> None:
    """After two further rounds of polling the next frame is still the answer to a question asked now."""
    seen = rig.pushes.polls
    await eventually(lambda: rig.pushes.polls >= seen + 2, "two polls")
    await game.send({"t": "nonsense"})
    assert (await game.hear())["t"] == "error"


@pytest.mark.parametrize("binary", [True, False])
async def test_a_live_push_arrives_whole(rig: Rig, address: str, binary: bool) -> None:
    async with greeted(address, "one", binary=binary) as (game, _):
        await eventually(lambda: rig.pushes.waits > 0, "the session listens")
        rig.pushes.add("one", 5)
        frame = await game.hear()
        assert frame == {
            "t": "pushes",
            "p": [{"no": 5, "epoch": 7, "seq": 5, "actor": "npc:mara", "type": "said", "body": {"n": 5}}],
        }
        assert rig.pushes.servers == {"one"}


async def test_a_push_comes_once_per_connection_and_again_after_a_cut_until_acked(rig: Rig, address: str) -> None:
    for no in (1, 2, 3):
        rig.pushes.add("one", no)
    async with greeted(address, "one") as (game, _):
        assert await _pushed(game, 3) == [1, 2, 3]
        await _nothing_more(rig, game)
        await game.send({"t": "ack", "p": [1, 3, 99]})
        await eventually(lambda: set(rig.pushes.rows) == {2}, "acks are stored")
        game.socket.transport.abort()
    async with greeted(address, "one") as (game, _):
        assert await _pushed(game, 1) == [2]
        await _nothing_more(rig, game)


async def test_a_push_the_feed_lost_comes_by_polling(rig: Rig, address: str) -> None:
    rig.pushes.feed_lost = True
    async with greeted(address, "one") as (game, _):
        rig.pushes.add("one", 1)
        assert await _pushed(game, 1) == [1]


async def test_pushes_of_other_servers_stay_away(rig: Rig, address: str) -> None:
    rig.pushes.add("two", 1)
    async with greeted(address, "one") as (game, _):
        await eventually(lambda: rig.pushes.waits > 0, "the session listens")
        rig.pushes.add("two", 2)
        await _nothing_more(rig, game)


async def test_unacked_pushes_are_a_bounded_window_that_acks_move_on(rig: Rig, address: str) -> None:
    for no in range(1, 21):
        rig.pushes.add("one", no)
    async with greeted(address, "one") as (game, _):
        assert await _pushed(game, 8) == list(range(1, 9))
        await _nothing_more(rig, game)
        await game.send({"t": "ack", "p": [2, 4, 6, 8]})
        assert await _pushed(game, 4) == [9, 10, 11, 12]
        await game.send({"t": "ack", "p": [1, 3, 5, 7, 9, 10, 11, 12]})
        assert await _pushed(game, 8) == list(range(13, 21))


async def test_an_ack_of_what_was_never_sent_does_nothing(rig: Rig, address: str) -> None:
    rig.pushes.feed_lost = True
    async with greeted(address, "one") as (game, _):
        await game.send({"t": "ack", "p": [1]})
        await game.send({"t": "nonsense"})
        await game.hear()
        rig.pushes.add("one", 1)
        assert await _pushed(game, 1) == [1]


async def test_a_store_that_is_unreachable_delays_pushes_and_acks_and_nothing_else(rig: Rig, address: str) -> None:
    rig.pushes.add("one", 1)
    rig.pushes.outage = True
    async with greeted(address, "one") as (game, _):
        await game.send({"t": "commands", "c": [game.talk()]})
        await game.replies(1)
        rig.pushes.outage = False
        assert await _pushed(game, 1) == [1]
        rig.pushes.outage = True
        await game.send({"t": "ack", "p": [1]})
        errors = "ganggpt_bridge_push_errors_total"
        before = rig.metrics.registry.get_sample_value(errors) or 0
        await eventually(lambda: (rig.metrics.registry.get_sample_value(errors) or 0) > before + 2, "acks fail")
        rig.pushes.outage = False
        await eventually(lambda: not rig.pushes.rows, "the ack is stored at last")
