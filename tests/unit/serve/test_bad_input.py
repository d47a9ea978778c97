"""What a broken or hostile client sends: a typed error or a close with a reason, and nobody else notices."""

from __future__ import annotations

import asyncio
import math
import resource
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.ids import new_command_id
from ganggpt.protocol.codec import CODECS
from ganggpt.protocol.limits import Limits
from ganggpt.serve.websocket.session import Session
from tests.support.bridge_client import GameServer, greeted, opened
from tests.support.bridge_rig import Rig, served
from tests.support.eventually import eventually


@pytest.fixture
async def rig() -> Rig:
    return Rig(limits=replace(Limits(), bad_frames_max=4))


@pytest.fixture
async def address(rig: Rig) -> Any:
    async with served(rig.app) as where:
        yield where


async def _still_works(game: GameServer) -> None:
    talk = game.talk()
    await game.send({"t": "commands", "c": [talk]})
    assert (await game.replies(1))[talk["id"]]["ok"] is True


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xc1", "invalid_input"),
        (msgpack.packb({"t": "commands", "c": [1, 2, 3]})[:-2], "invalid_input"),
        (msgpack.packb([1, 2]), "invalid_input"),
        (msgpack.packb({"t": "dance"}), "invalid_input"),
        (msgpack.packb({"t": 7}), "invalid_input"),
        (msgpack.packb({"c": []}), "invalid_input"),
        (msgpack.packb({"t": "commands"}), "invalid_input"),
        (msgpack.packb({"t": "commands", "c": []}), "invalid_input"),
        (msgpack.packb({"t": "commands", "c": {}}), "invalid_input"),
        (msgpack.packb({"t": "commands", "c": [{}], "x": 1}), "invalid_input"),
        (msgpack.packb({"t": "commands", "c": [{}] * 257}), "too_large"),
        (msgpack.packb({"t": "hello", "server": "again"}), "invalid_input"),
        (msgpack.packb({"t": "ack", "p": ["1"]}), "invalid_input"),
        (msgpack.packb({"t": "ack", "p": [0]}), "invalid_input"),
        (msgpack.packb({"t": "ack", "p": [-1]}), "invalid_input"),
        (msgpack.packb({"t": "ack", "p": list(range(1, 2000))}), "invalid_input"),
        (msgpack.packb({"t": "bye", "x": 1}), "invalid_input"),
        (b"\x81\xa1t\xa3\xff\xfe\xfd", "invalid_input"),
        (b"\x91" * 4000, "invalid_input"),
        (b"\x00" * (256 * 1024 + 1), "too_large"),
        ('{"t":"bye"}', "invalid_input"),
    ],
)
async def test_a_bad_frame_is_answered_and_the_connection_lives(address: str, frame: bytes | str, code: str) -> None:
    async with greeted(address) as (game, _):
        await game.socket.send(frame)
        heard = await game.hear()
        assert (heard["t"], heard["error"]["code"]) == ("error", code)
        await _still_works(game)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "c.0.id"),
        ({"id": b"\x00" * 16}, "c.0.id"),
        ({"id": "text"}, "c.0.id"),
        ({"to": None}, "c.0.to"),
        ({"to": {}}, "c.0.to"),
        ({"to": ["npc:mara"]}, "c.0.to"),
        ({"do": 5}, "c.0.do"),
        ({"by": "npc:mara"}, "c.0.by"),
        ({"by": "server:another"}, "c.0.by"),
        ({"by": {}}, "c.0.by"),
        ({"by": "player:"}, "c.0.by"),
        ({"with": []}, "c.0.with"),
        ({"with": {"text": "x" * 200_000}}, "c.0.with.text"),
        ({"with": {"text": "\x00"}}, "c.0.with.text"),
        ({"with": {"text": "line\nbreak"}}, "c.0.with.text"),
        ({"with": {"text": math.nan}}, "c.0.with.text"),
        ({"with": {"text": {"a": {"b": []}}}}, "c.0.with.text"),
        ({"do": "Observe", "with": {"what": "x", "weight": 2**63}}, "c.0.with.weight"),
        ({"do": "Observe", "with": {"what": "x", "weight": math.inf}}, "c.0.with.weight"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_a_bad_command_is_answered_with_the_path_to_its_mistake(
    address: str, change: dict[str, Any], field: str
) -> None:
    async with greeted(address) as (game, _):
        command = {**game.talk(), **change}
        await game.send({"t": "commands", "c": [command]})
        reply = next(iter((await game.replies(1)).values()))
        assert reply["id"] == (None if "id" in change else command["id"])
        assert reply["error"]["code"] == "invalid_input"
        assert field in reply["error"]["message"]
        await _still_works(game)


async def test_text_of_a_megabyte_is_too_large_and_the_connection_lives(address: str) -> None:
    async with greeted(address) as (game, _):
        await game.send({"t": "commands", "c": [game.talk("x" * 1_000_000)]})
        assert (await game.hear())["error"]["code"] == "too_large"
        await _still_works(game)


async def test_bad_frames_in_a_row_end_the_connection_with_a_reason(address: str) -> None:
    async with greeted(address) as (game, _):
        for _ in range(3):
            await game.socket.send(b"\xc1")
        await _still_hears_errors(game, 3)
        await _still_works(game)
        for _ in range(4):
            await game.socket.send(b"\xc1")
        code, reason = await game.closed()
        assert (code, "in a row" in reason) == (4400, True)


async def _still_hears_errors(game: GameServer, count: int) -> None:
    for _ in range(count):
        assert (await game.hear())["t"] == "error"


@pytest.mark.parametrize(
    "first",
    [
        {"t": "commands", "c": []},
        {"t": "hello"},
        {"t": "hello", "server": "Not Allowed"},
        {"t": "hello", "server": "x" * 32},
        {"t": "hello", "server": 5},
        {"t": "hello", "server": "ok", "session": 5},
        {"t": "hello", "server": "ok\n"},
        {"t": "hello", "server": "ok", "more": 1},
        [],
    ],
)
async def test_a_first_frame_that_is_no_hello_ends_the_connection(address: str, first: Any) -> None:
    async with opened(address) as game:
        await game.send(first)
        assert (await game.hear())["error"]["code"] == "invalid_input"
        assert (await game.closed())[0] == 4400


async def test_a_client_that_never_reads_is_cut_and_others_are_not_slowed() -> None:
    rig = Rig(limits=replace(Limits(), out_bytes_max=200_000, close_timeout_s=0.2))
    rig.port.reply = {"said": "x" * 2000}
    async with served(rig.app) as address, greeted(address, "well") as (well, _):
        async with greeted(address, "deaf", max_queue=1) as (deaf, _):
            deaf.socket.transport.pause_reading()
            frames = [{"t": "commands", "c": [deaf.talk() for _ in range(200)]} for _ in range(20)]
            for frame in frames:
                await deaf.send(frame)
                await _still_works(well)
            await eventually(lambda: rig.app.sessions.traffic.sessions == 1, "the deaf session is cut")
            await _still_works(well)
        closed = rig.metrics.registry.get_sample_value("ganggpt_bridge_closed_total", {"reason": "too_slow"})
        assert closed == 1


async def test_a_slow_reader_that_wakes_up_in_time_reads_why_it_was_cut() -> None:
    rig = Rig(limits=replace(Limits(), out_bytes_max=500_000))
    rig.port.reply = {"said": "x" * 4000}
    async with served(rig.app) as address, greeted(address, "slow") as (slow, _):
        slow.socket.transport.pause_reading()
        session = rig.app.sessions.of("slow")
        assert session is not None
        for _ in range(20):
            await slow.send({"t": "commands", "c": [slow.talk() for _ in range(200)]})
        await eventually(session.ended.done, "the session is ended")
        slow.socket.transport.resume_reading()
        code, reason = await slow.closed()
        assert (code, "waiting to be read" in reason) == (4408, True)


async def test_a_thousand_connections_are_served_side_by_side() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    rig = Rig(limits=replace(Limits(), hello_timeout_s=60))
    at_once = asyncio.Semaphore(50)
    everybody = asyncio.Barrier(1000)

    async def one(number: int, address: str) -> None:
        async with at_once:
            connection = greeted(address, f"server-{number}", open_timeout=60)
            game, _ = await connection.__aenter__()
        try:
            await everybody.wait()
            talk = game.talk(f"I am {number}")
            await game.send({"t": "commands", "c": [talk]})
            assert (await game.replies(1))[talk["id"]]["ok"] is True
            assert rig.app.sessions.traffic.sessions > 0
        finally:
            game.socket.transport.abort()
            await connection.__aexit__(None, None, None)

    async with served(rig.app) as address, asyncio.timeout(90):
        async with asyncio.TaskGroup() as all_of_them:
            for number in range(1000):
                all_of_them.create_task(one(number, address))
        await eventually(lambda: rig.app.sessions.connections == 0, "all are gone")
    assert len(rig.port.seen) == 1000


COMMANDISH = st.fixed_dictionaries(
    {},
    optional={
        "id": st.binary(max_size=17) | st.builds(new_command_id) | st.none() | st.text(max_size=3),
        "to": st.sampled_from(["npc:mara", "faction:x", "mara", "npc:", 5, None]) | st.text(max_size=5),
        "do": st.sampled_from(["Talk", "Observe", "Remember", "", 1]) | st.text(max_size=5),
        "with": st.dictionaries(
            st.sampled_from(["text", "what", "weight", "zzz"]),
            st.text() | st.integers(-(2**63), 2**64 - 1) | st.floats(),
        ),
        "by": st.sampled_from(["player:bob", "server:fuzz", "npc:x", 1]),
        "zzz": st.just(1),
    },
)


@given(st.lists(COMMANDISH | st.integers(0, 9) | st.none(), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
async def test_every_command_of_any_shape_gets_exactly_one_answer(commands: list[Any]) -> None:
    rig = Rig.bare()
    codec = CODECS["ganggpt.v1.msgpack"]
    session = Session("fuzz", "0" * 32, codec, rig.port, rig.parts.book, rig.app.sessions.traffic, rig.limits)
    session.take(msgpack.packb({"t": "commands", "c": commands}))
    await eventually(lambda: not session.in_flight, "all are answered")
    frames = [msgpack.unpackb(frame) for frame in session.outgoing()]
    replies = [reply for frame in frames for reply in frame["r"]]
    assert len(replies) == len(commands)
    assert not session.ended.done()
