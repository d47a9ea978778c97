"""What a host says of its load is what happened to it in the last seconds."""

from __future__ import annotations

import asyncio
import time

from ganggpt.actors.envelope import wrap
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.npc.commands import Give
from tests.support.eventually import eventually
from tests.support.runtime import Runtime

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
