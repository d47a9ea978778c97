"""A host tells that it lives, and hears the time and of new shards."""

from __future__ import annotations

import asyncio

import pytest

from ganggpt.actors.host.heartbeat import Heartbeat
from ganggpt.errors import Fenced, Unavailable
from ganggpt.persistence.ports.hosts import Pulse
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import Rig, a_rig, running


class Beats:
    """The table of hosts: what it says to each beat; an error is raised. The last one is said again and again."""

    def __init__(self, *said: Pulse | Exception) -> None:
        self.said = list(said)
        self.heard = 0

    async def beat(self, epoch: int) -> Pulse:
        self.heard += 1
        pulse = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(pulse, Exception):
            raise pulse
        return pulse


def beating(rig: Rig, beats: Beats) -> Heartbeat:
    return Heartbeat(rig.identity, beats, rig.shards)  # type: ignore[arg-type]


async def test_it_follows_the_clock_of_the_database() -> None:
    rig = await a_rig()
    beats = Beats(Pulse(NOW_S + 100, 0.0))
    async with running(beating(rig, beats).run(0.001)):
        await eventually(lambda: rig.clock.now_s() >= NOW_S + 100)


async def test_the_shards_are_read_once_for_each_time_the_host_was_given_some() -> None:
    rig = await a_rig()
    reads, refresh = [], rig.shards.refresh

    async def counted() -> None:
        reads.append(1)
        await refresh()

    rig.shards.refresh = counted  # type: ignore[method-assign]
    beats = Beats(Pulse(NOW_S, 5.0), Pulse(NOW_S, 5.0), Pulse(NOW_S, 9.0))
    async with running(beating(rig, beats).run(0.001)):
        await eventually(lambda: beats.heard >= 6)
    assert len(reads) == 2


async def test_an_outage_is_outlived_and_a_read_that_failed_is_tried_again() -> None:
    rig = await a_rig()
    outcomes: list[Exception | None] = [Unavailable("the database"), None]

    async def shaky() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    rig.shards.refresh = shaky  # type: ignore[method-assign]
    beats = Beats(Unavailable("the database"), Pulse(NOW_S, 5.0))
    async with running(beating(rig, beats).run(0.001)):
        await eventually(lambda: not outcomes)
        await eventually(lambda: beats.heard >= 5)


async def test_a_fenced_host_hears_it() -> None:
    rig = await a_rig()
    with pytest.raises(Fenced):
        await beating(rig, Beats(Fenced("host:0", 1))).run(0.001)


async def test_a_host_that_retired_beats_no_more() -> None:
    rig = await a_rig()
    beats = Beats(Pulse(NOW_S, 0.0))
    heart = beating(rig, beats)
    beat = asyncio.create_task(heart.run(0.001))
    await eventually(lambda: beats.heard)
    heart.stop()
    await asyncio.wait_for(beat, 1)
