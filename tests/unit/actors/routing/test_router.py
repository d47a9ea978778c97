"""The router coalesces without waiting, sends again under the same ids, and answers every command exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from ganggpt.actors.envelope import (
    Envelope,
    decode_batch,
    encode_replies,
    error_of,
    reply_error,
    reply_ok,
    wrap_view,
)
from ganggpt.actors.routing.admission import AdmissionOptions
from ganggpt.actors.routing.router import Router, RouterOptions
from ganggpt.actors.routing.shards import Residences, Routes, shared_shards
from ganggpt.domain.ids import new_command_id
from ganggpt.errors import Moved, Unavailable
from tests.support.eventually import eventually
from tests.support.virtual_time import run_virtual

FAST = RouterOptions(retry_s=0.001, retry_max_s=0.002, deadline_s=5.0)


async def all_on_one() -> Routes:
    return Routes(Residences(4), dict.fromkeys(shared_shards(4), "host:0"))


def envelopes(count: int) -> list[Envelope]:
    return [wrap_view(new_command_id(), f"npc:n{n}", "player:p") for n in range(count)]


class Host:
    """A host that answers what it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[Envelope]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failures = 0
        self.moved: Counter[bytes] = Counter()

    async def call(self, host: str, batch: bytes) -> bytes:
        taken = decode_batch(batch)
        self.batches.append(taken)
        await self.go.wait()
        if self.failures:
            self.failures -= 1
            raise Unavailable(host)
        return encode_replies([self._reply(e) for e in taken])

    def _reply(self, envelope: Envelope) -> bytes:
        if self.moved[envelope.id]:
            self.moved[envelope.id] -= 1
            return reply_error(envelope.id, Moved(envelope.to))
        return reply_ok(envelope.id, 1, {})


async def answers(router: Router, batch: list[Envelope]) -> Counter[bytes]:
    seen: Counter[bytes] = Counter()
    done = asyncio.Event()

    def sink(command_id: bytes, reply: bytes) -> None:
        seen[command_id] += 1
        if len(seen) == len(batch):
            done.set()

    router.submit(batch, sink)
    await asyncio.wait_for(done.wait(), 5)
    return seen


async def test_commands_of_one_loop_turn_travel_together() -> None:
    host = Host()
    router = Router(host.call, all_on_one, FAST)
    await router.start()
    await answers(router, envelopes(100))
    assert [len(b) for b in host.batches] == [100]
    await router.close()


async def test_what_gathers_while_all_calls_are_out_goes_with_the_next_one() -> None:
    host = Host()
    host.go.clear()
    router = Router(host.call, all_on_one, RouterOptions(calls_max=1))
    await router.start()
    first = asyncio.create_task(router.ask(envelopes(1)[0]))
    while not host.batches:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(router.ask(e)) for e in envelopes(30)]
    await asyncio.sleep(0)
    host.go.set()
    await asyncio.wait_for(asyncio.gather(first, *rest), 5)
    assert [len(b) for b in host.batches] == [1, 30]
    await router.close()


async def test_a_failed_call_is_sent_again_under_the_same_ids_and_answered_once() -> None:
    host = Host()
    host.failures = 3
    router = Router(host.call, all_on_one, FAST)
    await router.start()
    batch = envelopes(5)
    seen = await answers(router, batch)
    assert seen == Counter({e.id: 1 for e in batch})
    assert all([e.id for e in taken] == [e.id for e in batch] for taken in host.batches)
    await router.close()


async def test_only_moved_commands_go_again() -> None:
    host = Host()
    router = Router(host.call, all_on_one, FAST)
    await router.start()
    batch = envelopes(4)
    host.moved[batch[2].id] = 2
    seen = await answers(router, batch)
    assert seen == Counter({e.id: 1 for e in batch})
    assert [len(b) for b in host.batches] == [4, 1, 1]
    await router.close()


async def test_a_host_that_never_comes_back_ends_in_a_retryable_error() -> None:
    host = Host()
    host.failures = 10**6
    router = Router(host.call, all_on_one, RouterOptions(retry_s=0.001, retry_max_s=0.002, deadline_s=0.05))
    await router.start()
    error = error_of(await asyncio.wait_for(router.ask(envelopes(1)[0]), 5))
    assert error is not None
    assert error["code"] == "unavailable"
    assert error["retryable"] is True
    await router.close()


def test_a_call_near_the_deadline_of_its_commands_is_not_waited_for_in_full() -> None:
    options = RouterOptions(deadline_s=0.05, call_s=0.4, retry_s=0.001)

    async def asked() -> tuple[bytes, float]:
        host = Host()
        host.go.clear()
        router = Router(host.call, all_on_one, options)
        await router.start()
        began_s = asyncio.get_running_loop().time()
        reply = await asyncio.wait_for(router.ask(envelopes(1)[0]), 5)
        took_s = asyncio.get_running_loop().time() - began_s
        await router.close()
        return reply, took_s

    reply, took_s = run_virtual(asked())
    error = error_of(reply)
    assert error is not None
    assert error["code"] == "unavailable"
    assert took_s < options.call_s


async def test_a_full_router_sheds_at_once_with_a_hint() -> None:
    host = Host()
    host.go.clear()
    router = Router(host.call, all_on_one, RouterOptions(queue_max=10))
    await router.start()
    shed: list[dict[str, object]] = []

    def sink(_: bytes, reply: bytes) -> None:
        error = error_of(reply)
        if error is not None:
            shed.append(error)

    router.submit(envelopes(15), sink)
    assert [e["code"] for e in shed] == ["overloaded"] * 5
    assert all(e["retry_after_ms"] for e in shed)
    host.go.set()
    await router.close()


async def test_calls_to_a_silent_host_that_holds_nothing_any_more_go_to_its_heir() -> None:
    owner = "host:0"
    asked: list[str] = []
    looked = 0

    async def routes() -> Routes:
        nonlocal looked
        looked += 1
        return Routes(Residences(4), dict.fromkeys(shared_shards(4), owner))

    async def call(host: str, batch: bytes) -> bytes:
        asked.append(host)
        if host == "host:0":
            await asyncio.Event().wait()  # paused: not even an error
        return encode_replies([reply_ok(e.id, 1, {}) for e in decode_batch(batch)])

    router = Router(call, routes, RouterOptions(calls_max=1, doubt_s=0.01, retry_s=0.001, call_s=60, deadline_s=60))
    await router.start()
    first = asyncio.create_task(answers(router, envelopes(2)))
    while not asked:
        await asyncio.sleep(0)
    queued = asyncio.create_task(answers(router, envelopes(2)))
    await eventually(lambda: looked >= 4)
    assert asked == ["host:0"], "silence alone is no reason to leave a host"
    owner = "host:1"
    assert sum((await first).values()) == 2
    assert sum((await queued).values()) == 2
    assert asked.count("host:0") == 1
    await router.close()


@pytest.mark.parametrize("when", ["queued", "calling"])
async def test_closing_answers_what_still_waits(when: str) -> None:
    host = Host()
    host.go.clear()
    router = Router(host.call, all_on_one, FAST)
    await router.start()
    asked = asyncio.create_task(router.ask(envelopes(1)[0]))
    while when == "calling" and not host.batches:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    await router.close()
    error = error_of(await asyncio.wait_for(asked, 5))
    assert error is not None
    assert error["code"] == "unavailable"


async def test_a_command_is_answered_by_its_deadline_although_its_call_hangs_on() -> None:
    host = Host()
    host.go.clear()
    router = Router(host.call, all_on_one, RouterOptions(deadline_s=0.05, call_s=60.0))
    await router.start()
    error = error_of(await asyncio.wait_for(router.ask(envelopes(1)[0]), 5))
    assert error is not None
    assert error["code"] == "unavailable"
    await router.close()


async def test_a_command_is_answered_by_its_deadline_although_the_routing_table_does_not_come() -> None:
    host = Host()
    host.failures = 1
    looks = 0

    async def once() -> Routes:
        nonlocal looks
        looks += 1
        if looks > 1:
            await asyncio.Event().wait()
        return await all_on_one()

    router = Router(host.call, once, RouterOptions(deadline_s=0.05, retry_s=0.001))
    await router.start()
    error = error_of(await asyncio.wait_for(router.ask(envelopes(1)[0]), 5))
    assert error is not None
    assert error["code"] == "unavailable"
    await router.close()


def test_a_command_whose_deadline_passed_while_it_waited_is_answered_without_being_sent() -> None:
    host = Host()

    async def course() -> tuple[bytes, bytes]:
        host.go = asyncio.Event()
        router = Router(host.call, all_on_one, RouterOptions(calls_max=1, deadline_s=0.05))
        await router.start()
        first = asyncio.create_task(router.ask(envelopes(1)[0]))
        while not host.batches:
            await asyncio.sleep(0)
        second = asyncio.create_task(router.ask(envelopes(1)[0]))
        replies = await first, await second
        await router.close()
        return replies

    sent, waited = map(error_of, run_virtual(course()))
    assert sent is not None
    assert waited is not None
    assert (sent["code"], waited["code"]) == ("unavailable", "overloaded")
    assert len(host.batches) == 1


async def test_messages_are_not_shed_for_the_greed_of_others() -> None:
    host = Host()
    host.go.clear()
    small = AdmissionOptions(burst_max=10, limit_min=5, rate_first_per_s=10.0, burst_s=1000.0)
    router = Router(host.call, all_on_one, RouterOptions(admission=small))
    await router.start()
    shed: list[bytes] = []

    def sink(command_id: bytes, reply: bytes) -> None:
        if error_of(reply) is not None:
            shed.append(command_id)

    router.submit(envelopes(50), sink, "greedy")
    assert len(shed) == 40
    messages = [msgspec.structs.replace(envelope, inner=True) for envelope in envelopes(20)]
    done = asyncio.ensure_future(answers(router, messages))
    await asyncio.sleep(0)
    host.go.set()
    assert await done == Counter({message.id: 1 for message in messages})
    assert len(shed) == 40
    await router.close()
