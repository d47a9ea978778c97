"""Virtual time does what asyncio does, only at once; and a simulated process can be paused and killed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ganggpt.errors import Unavailable
from ganggpt.simulation.loop import ProcessLoop
from ganggpt.simulation.network import Weather
from tests.support.simulated_place import Place


def test_sleeping_takes_virtual_time_only() -> None:
    place = Place()
    process = place.network.spawn("one")

    async def sleeps() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await asyncio.sleep(3600)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(10))
            tasks.create_task(asyncio.sleep(20))
        return loop.time() - began_s

    assert place.run(process, sleeps(), 4000.0) == pytest.approx(3620)
    place.end()


def test_timeouts_queues_and_locks_of_asyncio_work() -> None:
    place = Place()
    process = place.network.spawn("one")

    async def works() -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("timeout")
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        asyncio.get_running_loop().call_later(1, queue.put_nowait, "later")
        seen.append(await queue.get())
        async with asyncio.Semaphore(1), asyncio.Lock():
            seen += await asyncio.gather(asyncio.sleep(2, "two"), asyncio.sleep(1, "one"))
        return seen

    assert place.run(process, works()) == ["timeout", "later", "two", "one"]
    place.end()


def test_a_paused_process_runs_nothing_and_goes_on_late() -> None:
    place = Place()
    process = place.network.spawn("one")

    async def waits() -> float:
        began_s = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time() - began_s

    process.loop.pause()
    place.scheduler.at(7.0, process.loop.resume)
    assert place.run(process, waits()) == pytest.approx(1.0)
    assert place.scheduler.now_s == pytest.approx(8.0)
    place.end()


@pytest.mark.parametrize("fuse", range(1, 6))
def test_a_process_dies_in_the_middle_of_its_work_and_its_cleanup_reaches_nobody(fuse: int) -> None:
    place = Place()
    one, other = place.network.spawn("one"), place.network.spawn("other")
    heard: list[str] = []

    async def hear(what: str) -> None:
        heard.append(what)

    async def tells() -> None:
        try:
            for step in range(10):
                await asyncio.sleep(0)
                await place.network.ask(one, other, lambda step=step: hear(f"step {step}"), lost, 5.0)
        finally:
            await place.network.ask(one, other, lambda: hear("cleanup"), lost, 5.0)

    one.loop.fuse = fuse
    one.loop.blow = lambda: place.scheduler.at(place.scheduler.now_s, place.network.kill, one)
    one.loop.start(tells())
    place.scheduler.run(60.0)
    assert one.dead
    assert "cleanup" not in heard
    assert len(heard) < 10
    place.end()


def lost(why: str) -> Any:
    """The error for an answer that does not come."""

    return Unavailable(why)


def test_a_call_to_a_process_that_dies_or_is_cut_off_fails() -> None:
    place = Place()
    one, other = place.network.spawn("one"), place.network.spawn("other")

    async def calls(timeout_s: float) -> str:
        try:
            await place.network.ask(one, other, asyncio.Event().wait, lost, timeout_s)
        except Unavailable as failed:
            return str(failed)
        return "an answer"

    place.network.cut(one.place, other.place, "broken")
    assert "broke" in place.run(one, calls(50.0))
    place.network.cut(one.place, other.place, "silent")
    assert "in time" in place.run(one, calls(5.0))
    place.network.heal()
    place.scheduler.at(place.scheduler.now_s + 2.0, place.network.kill, other)
    assert "ended" in place.run(one, calls(50.0))
    assert "No such" in place.run(one, calls(50.0))
    place.end()


def test_one_seed_is_one_order_and_another_seed_another() -> None:
    def orders(seed: int) -> list[str]:
        place = Place(seed)
        seen: list[str] = []

        async def steps(name: str) -> None:
            for step in range(5):
                seen.append(f"{name}{step}")
                await asyncio.sleep(0)

        for name in "abcd":
            place.network.spawn(name).loop.start(steps(name))
        place.scheduler.run(10.0)
        place.end()
        return seen

    assert orders(1) == orders(1)
    assert len({tuple(orders(seed)) for seed in range(5)}) > 1
    for seen in (orders(1), orders(2)):
        assert [step for step in seen if step.startswith("a")] == [f"a{n}" for n in range(5)]


def test_what_asyncio_would_have_logged_is_a_mistake() -> None:
    place = Place()
    process = place.network.spawn("one")

    def fails() -> None:
        raise ValueError("oh")

    process.loop.call_soon(fails)
    place.scheduler.run(1.0)
    assert any("oh" in mistake for mistake in place.mistakes)


def test_bad_weather_loses_some_messages_and_only_some() -> None:
    place = Place()
    one, other = place.network.spawn("one"), place.network.spawn("other")
    place.network.weather = Weather(broken=0.3, slow=0.3, slow_s=0.5)
    outcomes = []

    async def calls() -> None:
        for _ in range(100):
            try:
                await place.network.ask(one, other, lambda: asyncio.sleep(0), lost, 5.0)
            except Unavailable:
                outcomes.append(False)
            else:
                outcomes.append(True)

    place.run(one, calls(), 1000.0)
    assert 20 < sum(outcomes) < 80
    place.end()


def test_a_loop_of_a_process_that_ended_takes_nothing_more() -> None:
    place = Place()
    process = place.network.spawn("one")
    place.network.kill(process)
    assert isinstance(process.loop, ProcessLoop)
    process.loop.call_soon(place.mistakes.append, "ran")
    process.loop.call_later(1, place.mistakes.append, "ran later")
    place.scheduler.run(5.0)
    place.end()
