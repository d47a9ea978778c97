"""The load generator counts what was answered and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from bench.connections import masked
from bench.load_generator import measure, prepare
from bench.load_run import Course, Plan, Prepared, Sent
from ganggpt.domain.ids import checked_command_id
from ganggpt.errors import Unavailable
from tests.support.far_end import TOKEN, FarEnd, say_yes


def a_plan(far: FarEnd, **fields: Any) -> Plan:
    known: dict[str, Any] = {
        "url": far.url,
        "token": TOKEN,
        "to": ("npc:bench-0000", "npc:bench-0001"),
        "do": "Observe",
        "arguments": {"what": "event {n}", "weight": 5},
        "connections": 2,
        "window": 2,
        "per_frame": 5,
        "seconds": 10,
        "events": 100,
    }
    return Plan(**{**known, **fields})


async def test_every_event_of_a_counted_run_is_sent_once_and_acked() -> None:
    async with FarEnd() as far:
        measured = await measure(a_plan(far))
    assert measured.acked == len(far.seen) == len(set(far.seen)) == 100
    assert set(far.frames) == {5}
    assert [hello["server"] for hello in far.hellos] == ["load-0", "load-1"]
    assert measured.refused == {}
    assert measured.p50_ms is not None
    assert measured.p99_ms is not None
    assert 0 < measured.p50_ms <= measured.p99_ms < 10_000
    assert measured.per_s == pytest.approx(100 / measured.seconds)


async def test_events_take_turns_among_the_actors_and_are_numbered() -> None:
    taken: list[tuple[str, str]] = []

    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        taken.append((command["to"], command["with"]["what"]))
        return say_yes(command, times_seen)

    async with FarEnd(answering) as far:
        await measure(a_plan(far, connections=1, window=1, per_frame=2, events=4))
    assert taken == [(f"npc:bench-000{n % 2}", f"event {n}") for n in range(4)]


async def test_each_round_through_the_actors_takes_the_next_variant() -> None:
    taken: list[tuple[str, dict[str, Any]]] = []

    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        taken.append((command["to"][-1], command["with"]))
        return say_yes(command, times_seen)

    async with FarEnd(answering) as far:
        plan = a_plan(
            far,
            arguments={"weight": 1, "what": "a"},
            variants=({}, {"what": "b {n}"}),
            connections=1,
            window=1,
            events=5,
        )
        await measure(plan)
    first, second = {"weight": 1, "what": "a"}, {"weight": 1, "what": "b 2"}
    assert taken[:3] == [("0", first), ("1", first), ("0", second)]
    assert taken[4] == ("0", first)


async def test_refused_events_are_counted_by_code_and_not_as_acked() -> None:
    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        if command["to"] == "npc:bench-0001":
            error = {"code": "overloaded", "message": "full", "retryable": True}
            return {"id": command["id"], "ok": False, "error": error}
        return say_yes(command, times_seen)

    async with FarEnd(answering) as far:
        measured = await measure(a_plan(far))
    assert (measured.acked, measured.refused) == (50, {"overloaded": 50})


async def test_a_timed_run_warms_up_first_and_counts_only_its_own_time() -> None:
    async with FarEnd() as far:
        measured = await measure(a_plan(far, events=None, warm_s=0.1, seconds=0.3, per_frame=1))
    assert 0 < measured.acked < len(far.seen)
    assert measured.seconds <= 0.3


async def test_no_more_frames_are_in_flight_than_the_window_allows() -> None:
    held: list[dict[str, Any]] = []
    async with FarEnd(lambda command, _: held.append(command)) as far:
        running = asyncio.create_task(measure(a_plan(far, connections=1, window=3, per_frame=2, events=8)))
        await far.until(lambda: len(held) == 6, "three frames")
        await far.send({"t": "replies", "r": [say_yes(command, 1) for command in held]})
        await far.until(lambda: len(held) == 8, "the last frame")
        await far.send({"t": "replies", "r": [say_yes(command, 1) for command in held[6:]]})
        assert (await running).acked == 8


async def test_pushes_are_acknowledged_and_do_not_disturb() -> None:
    async with FarEnd() as far:
        far.pushes = [{"no": 7, "epoch": 1, "seq": 1, "actor": "npc:mara", "type": "said", "body": {}}]
        measured = await measure(a_plan(far))
        await far.until(lambda: 7 in far.acks, "the ack")
    assert measured.acked == 100


async def test_a_cut_connection_ends_the_measurement_with_an_error() -> None:
    async with FarEnd(lambda *_: None) as far:
        running = asyncio.create_task(measure(a_plan(far, connections=1)))
        await far.until(lambda: len(far.seen) == 10, "the first frames")
        assert far.connection is not None
        far.connection.transport.abort()
        with pytest.raises(Unavailable, match="the connection was cut"):
            await running


async def test_an_answer_to_a_command_nobody_sent_ends_the_measurement() -> None:
    stranger = UUID("0190b5a0-0000-7000-8000-000000000000").bytes

    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        return {"id": stranger, "ok": True, "seq": 1, "reply": {}}

    async with FarEnd(answering) as far:
        with pytest.raises(Unavailable, match="nobody waits for"):
            await measure(a_plan(far))


async def test_a_wrong_token_is_an_error_with_the_status() -> None:
    async with FarEnd() as far:
        with pytest.raises(Unavailable, match="status 401"):
            await measure(a_plan(far, token="wrong"))


async def test_prepared_ids_are_fresh_and_of_version_7() -> None:
    plan = Plan(url="ws://127.0.0.1:1/v1/bridge", to=("npc:a",), do="Observe", per_frame=10)
    ids = [command_id for frame in prepare(plan, 100) for command_id in frame.ids]
    assert len(set(ids)) == 100
    assert all(checked_command_id(command_id) for command_id in ids)


async def test_what_comes_after_the_time_is_over_does_not_count() -> None:
    course = Course([Prepared(masked(b""), (b"1" * 16,))], seconds=1)
    course.start()
    assert course.take() is not None
    late_s = course.started_s + 2
    course.answered(late_s, 1)
    course.finished(Sent(0, course.started_s), late_s)
    measured = course.measured()
    assert (measured.acked, measured.p50_ms) == (0, None)


@asynccontextmanager
async def a_http_server(status: str) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    posted: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            posted.append(msgspec.json.decode(await reader.readexactly(length)))
            # In two pieces, as a slow network would.
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 11\r\n\r\n".encode())
            await writer.drain()
            writer.write(b'{"ok":true}')
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/event", posted


@pytest.mark.parametrize(("status", "acked"), [("200 OK", 20), ("503 Service Unavailable", 0)])
async def test_http_sends_one_event_a_request(status: str, acked: int) -> None:
    async with a_http_server(status) as (url, posted):
        plan = Plan(
            url=url, transport="http", to=("npc:a",), do="Observe", arguments={"what": "x"}, connections=3, per_frame=1,
            events=20,
        )  # fmt: skip
        measured = await measure(plan)
    assert measured.acked == acked
    assert sum(measured.refused.values()) == 20 - acked
    assert len(posted) == len({post["id"] for post in posted}) == 20
    assert posted[0]["with"] == {"what": "x"}
