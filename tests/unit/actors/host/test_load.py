"""What a host says of its load is what happened to it in the last seconds."""

from __future__ import annotations

import asyncio
import time

import pytest

from ganggpt.actors.envelope import wrap
from ganggpt.actors.host.load import WINDOW_S, Load
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.npc.commands import Give
from tests.support.eventually import eventually
from tests.support.runtime import Runtime
from tests.support.virtual_time import run_virtual

MARA = "npc:mara"


async def until_told(runtime: Runtime, name: str, at_least: float) -> dict[str, float]:
    told: dict[str, float] = {}

    async def reached() -> bool:
        told.update(await runtime.fleet.stats("host:0"))
        return told[name] >= at_least

    await eventually(reached, f"{name} reaches {at_least}", seen=lambda: told)
    return told


async def test_turns_a_second_and_the_delay_of_batches_are_told(runtime: Runtime) -> None:
    before = await runtime.fleet.stats("host:0")
    assert before["turns_per_s"] == before["delay_p99_s"] == 0
    gifts = [wrap(new_command_id(), MARA, "player:ava", Give(f"coin {n}", n)) for n in range(50)]
    began = time.monotonic()
    replies = await runtime.ask_all(gifts)
    assert len(replies) == 50
    took = time.monotonic() - began
    told = await until_told(runtime, "turns_per_s", 1)
    assert 0 < told["delay_p99_s"] <= took


async def test_a_blocked_loop_is_told_as_lag(runtime: Runtime) -> None:
    await until_told(runtime, "hot", 0)
    calm = (await runtime.fleet.stats("host:0"))["lag_s"]
    time.sleep(0.5)  # noqa: ASYNC251 - the blocking is what is measured
    await asyncio.sleep(0)
    told = await until_told(runtime, "lag_s", calm + 0.01)
    assert told["lag_s"] > calm


def test_turns_a_second_are_those_of_the_window_alone() -> None:
    async def scene() -> None:
        ran = [0]
        load = Load(lambda: ran[0], 1.0)
        task = asyncio.create_task(load.run())
        for _ in range(int(WINDOW_S)):
            await asyncio.sleep(1)
            ran[0] += 50
        assert load.turns_per_s == pytest.approx(50, rel=0.15)
        await asyncio.sleep(WINDOW_S + 1.5)
        assert load.turns_per_s == 0
        task.cancel()

    run_virtual(scene())


def test_the_slowest_of_a_hundred_batches_says_the_delay_until_it_is_too_long_ago() -> None:
    async def scene() -> None:
        load = Load(lambda: 0, 1.0)
        now_s = asyncio.get_running_loop().time()
        for n in range(100):
            load.answered(now_s - (5.0 if n == 0 else 0.01))
        assert load.delay_p99_s == pytest.approx(5.0)
        await asyncio.sleep(WINDOW_S + 1)
        load.answered(asyncio.get_running_loop().time() - 0.01)
        assert load.delay_p99_s == pytest.approx(0.01)

    run_virtual(scene())


def test_a_host_that_has_not_begun_has_no_load() -> None:
    async def scene() -> None:
        assert set(Load(lambda: 7, 1.0).as_stats().values()) == {0.0}

    run_virtual(scene())
