"""The WebSocket of the bridge against a real client, over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ganggpt.domain.npc.commands import Talk
from ganggpt.protocol.limits import Limits
from tests.support.bridge_client import greeted, opened
from tests.support.bridge_rig import HEADERS, Rig, served
from tests.support.eventually import eventually


@pytest.fixture
async def rig() -> Rig:
    return Rig()


@pytest.fixture
async def address(rig: Rig) -> AsyncIterator[str]:
    async with served(rig.app) as where:
        yield where


async def test_welcome_tells_time_and_limits(address: str) -> None:
    async with greeted(address) as (_, welcome):
        assert abs(welcome["now_ms"] / 1000 - time.time()) < 60
        assert welcome["resumed"] is False
        assert welcome["limits"]["commands_max"] == 256


@pytest.mark.parametrize("binary", [True, False])
async def test_a_command_is_answered_under_its_id(rig: Rig, address: str, binary: bool) -> None:
    async with greeted(address, binary=binary) as (game, _):
        talk = game.talk("hello")
        await game.send({"t": "commands", "c": [talk]})
        reply = (await game.replies(1))[talk["id"]]
        assert reply == {"id": talk["id"], "ok": True, "seq": 1, "reply": {"said": "hello"}}
    envelope = rig.port.seen[0]
    assert (envelope.to, envelope.name, envelope.by) == ("npc:mara", "Talk", "player:bob")
    assert msgspec.msgpack.decode(envelope.body, type=Talk) == Talk("hello")


async def test_the_game_server_acts_itself_where_nobody_is_named(rig: Rig, address: str) -> None:
    async with greeted(address, "paleto-2") as (game, _):
        talk = game.talk()
        del talk["by"]
        await game.send({"t": "commands", "c": [talk]})
        await game.replies(1)
    assert rig.port.seen[0].by == "server:paleto-2"


async def test_replies_may_come_in_any_order_and_each_once(rig: Rig, address: str) -> None:
    rig.port.held = True
    async with greeted(address) as (game, _):
        talks = [game.talk(f"line {n}") for n in range(200)]
        await game.send({"t": "commands", "c": talks[:100]})
        await game.send({"t": "commands", "c": talks[100:]})
        await game.send({"t": "nonsense"})
        assert (await game.hear())["t"] == "error"
        rig.port.release()
        heard = await game.replies(200)
    assert set(heard) == {talk["id"] for talk in talks}


async def test_one_bad_command_spoils_only_itself(rig: Rig, address: str) -> None:
    async with greeted(address) as (game, _):
        good, bad, stranger, unknown = game.talk(), game.talk(""), game.talk(to="Mara"), game.talk(do="Dance")
        await game.send({"t": "commands", "c": [good, bad, stranger, unknown]})
        heard = await game.replies(4)
    assert heard[good["id"]]["ok"] is True
    assert heard[bad["id"]]["error"]["message"].startswith("c.1.with.text: ")
    assert heard[stranger["id"]]["error"]["code"] == "invalid_input"
    assert heard[unknown["id"]]["error"]["code"] == "unknown_command"
    assert len(rig.port.seen) == 1


async def test_an_unknown_actor_is_said_by_the_runtime(rig: Rig, address: str) -> None:
    rig.port.missing.add("npc:nobody")
    async with greeted(address) as (game, _):
        talk = game.talk(to="npc:nobody")
        await game.send({"t": "commands", "c": [talk]})
        assert (await game.replies(1))[talk["id"]]["error"]["code"] == "unknown_actor"


async def test_an_id_twice_in_a_frame_is_a_mistake_of_the_second(rig: Rig, address: str) -> None:
    rig.port.held = True
    async with greeted(address) as (game, _):
        first = game.talk("one")
        await game.send({"t": "commands", "c": [first, {**first, "with": {"text": "two"}}]})
        heard = await game.replies(1)
        assert heard[first["id"]]["error"]["message"].startswith("c.1.id: ")
        rig.port.release()
        assert (await game.replies(1))[first["id"]]["ok"] is True
    assert len(rig.port.seen) == 1


async def test_a_resent_command_still_in_flight_is_answered_once(rig: Rig, address: str) -> None:
    rig.port.held = True
    async with greeted(address) as (game, _):
        talk = game.talk()
        await game.send({"t": "commands", "c": [talk]})
        await game.send({"t": "commands", "c": [talk]})
        await game.send({"t": "nonsense"})
        await game.hear()
        rig.port.release()
        assert (await game.replies(1))[talk["id"]]["ok"] is True
    assert len(rig.port.seen) == 1


async def test_an_answered_command_sent_again_reaches_the_actor_again(rig: Rig, address: str) -> None:
    async with greeted(address) as (game, _):
        talk = game.talk()
        for _ in range(2):
            await game.send({"t": "commands", "c": [talk]})
            await game.replies(1)
    assert len(rig.port.seen) == 2


async def test_too_many_commands_in_flight_are_refused_and_recover() -> None:
    rig = Rig(limits=replace(Limits(), in_flight_max=50))
    rig.port.held = True
    async with served(rig.app) as address, greeted(address) as (game, _):
        await game.send({"t": "commands", "c": [game.talk() for _ in range(60)]})
        refused = await game.replies(10)
        assert {reply["error"]["code"] for reply in refused.values()} == {"overloaded"}
        assert all(reply["error"]["retry_after_ms"] > 0 for reply in refused.values())
        rig.port.release()
        await game.replies(50)
        rig.port.held = False
        await game.send({"t": "commands", "c": [game.talk()]})
        assert all(reply["ok"] for reply in (await game.replies(1)).values())


async def test_sessions_share_what_may_be_in_flight() -> None:
    rig = Rig(limits=replace(Limits(), in_flight_total_max=100, in_flight_share_min=10))
    rig.port.held = True
    async with (
        served(rig.app) as address,
        greeted(address, "greedy") as (greedy, _),
        greeted(address, "modest") as (modest, _),
    ):
        await greedy.send({"t": "commands", "c": [greedy.talk() for _ in range(200)]})
        assert len(await greedy.replies(150)) == 150
        await modest.send({"t": "commands", "c": [modest.talk() for _ in range(50)]})
        await modest.send({"t": "nonsense"})
        assert (await modest.hear())["t"] == "error"
        rig.port.release()
        assert all(reply["ok"] for reply in (await modest.replies(50)).values())


async def test_a_newer_connection_of_a_server_replaces_the_older(address: str) -> None:
    async with (
        greeted(address, "one") as (older, first),
        greeted(address, "one", session=first["session"]) as (newer, second),
    ):
        code, reason = await older.closed()
        assert (code, "newer" in reason) == (4409, True)
        assert second["resumed"] is True
        await newer.send({"t": "commands", "c": [newer.talk()]})
        await newer.replies(1)


async def test_a_session_that_is_replaced_on_another_replica_ends() -> None:
    limits = replace(Limits(), push_poll_s=0.05)
    here = Rig(limits=limits)
    there = Rig(limits=limits, cache=here.cache)
    async with (
        served(here.app) as one,
        served(there.app) as two,
        greeted(one, "same") as (older, _),
        greeted(two, "same") as (newer, _),
    ):
        assert (await older.closed())[0] == 4409
        await newer.send({"t": "commands", "c": [newer.talk()]})
        await newer.replies(1)


async def test_a_session_of_another_server_is_not_resumed(address: str) -> None:
    async with greeted(address, "one") as (_, first), greeted(address, "two", session=first["session"]) as (_, second):
        assert second["resumed"] is False


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": HEADERS["Authorization"].replace("Bearer", "Basic")},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ü"},
    ],
)
async def test_a_wrong_token_does_not_get_past_the_handshake(address: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(address, headers={key: value.encode().decode("latin-1") for key, value in headers.items()}):
            pass
    assert refused.value.response.status_code == 401
    assert msgspec.json.decode(refused.value.response.body)["error"]["code"] == "unauthorized"


async def test_a_client_without_our_sub_protocol_is_told_so(address: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{address}/v1/bridge", additional_headers=HEADERS, proxy=None):
            pass
    assert refused.value.response.status_code == 422
    assert "ganggpt.v1.msgpack" in msgspec.json.decode(refused.value.response.body)["error"]["message"]


async def test_there_is_no_other_websocket(address: str) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(f"ws://{address}/v1/other", additional_headers=HEADERS, proxy=None):
            pass


async def test_more_connections_than_allowed_are_refused_and_room_comes_back() -> None:
    rig = Rig(limits=replace(Limits(), sessions_max=2))
    async with served(rig.app) as address:
        async with greeted(address, "one"), greeted(address, "two"):
            with pytest.raises(InvalidStatus) as refused:
                async with opened(address):
                    pass
            assert refused.value.response.status_code == 429
            assert int(refused.value.response.headers["Retry-After"]) >= 1
        await eventually(lambda: rig.app.sessions.connections == 0, "all connections are gone")
        async with greeted(address, "three"):
            pass


async def test_a_client_that_says_bye_is_let_go(address: str) -> None:
    async with greeted(address) as (game, _):
        await game.send({"t": "bye"})
        assert (await game.closed())[0] == 1000


async def test_a_client_that_says_nothing_is_let_go() -> None:
    rig = Rig(limits=replace(Limits(), hello_timeout_s=0.05))
    async with served(rig.app) as address, opened(address) as game:
        assert await game.closed() == (4408, "no hello in time")


async def test_an_idle_session_ends() -> None:
    rig = Rig(limits=replace(Limits(), idle_timeout_s=0.05, push_poll_s=0.02))
    async with served(rig.app) as address, greeted(address) as (game, _):
        code, reason = await game.closed()
        assert (code, reason.startswith("nothing heard")) == (4408, True)


async def test_an_old_connection_is_asked_to_come_again_before_it_is_cut() -> None:
    rig = Rig(limits=replace(Limits(), age_max_s=0.1, push_poll_s=0.02))
    async with served(rig.app) as address, greeted(address) as (game, _):
        bye = await game.hear()
        assert (bye["t"], bye["reason"]) == ("bye", "max_age")
        assert bye["retry_after_ms"] > 0
        assert await game.closed() == (4410, "max_age")


async def test_draining_says_bye_waits_for_answers_and_takes_nobody_new(rig: Rig, address: str) -> None:
    rig.port.held = True
    async with greeted(address) as (game, _):
        talk = game.talk()
        await game.send({"t": "commands", "c": [talk]})
        await game.send({"t": "nonsense"})
        await game.hear()
        draining = asyncio.create_task(rig.app.sessions.drain())
        assert (await game.hear())["t"] == "bye"
        late = game.talk()
        await game.send({"t": "commands", "c": [late]})
        refused = (await game.replies(1))[late["id"]]
        assert (refused["error"]["code"], refused["error"]["retryable"]) == ("unavailable", True)
        with pytest.raises(InvalidStatus) as turned_away:
            async with opened(address):
                pass
        assert turned_away.value.response.status_code == 503
        rig.port.release()
        assert (await game.replies(1))[talk["id"]]["ok"] is True
        assert (await game.closed())[0] == 4410
        async with asyncio.timeout(10):
            await draining


async def test_a_cut_connection_leaves_nothing_behind(rig: Rig, address: str) -> None:
    rig.port.held = True
    async with greeted(address) as (game, _):
        await game.send({"t": "commands", "c": [game.talk() for _ in range(5)]})
        await game.send({"t": "nonsense"})
        await game.hear()
        game.socket.transport.abort()
    await eventually(lambda: rig.app.sessions.traffic.sessions == 0, "the session is gone")
    assert rig.app.sessions.traffic.in_flight == 0
    rig.port.release()
    assert rig.app.sessions.traffic.in_flight == 0


async def test_the_end_of_the_server_lets_sessions_go_and_closes_once(rig: Rig) -> None:
    async with served(rig.app) as address, greeted(address) as (game, _):
        await game.send({"t": "bye"})
        await game.closed()
    assert rig.closed == 1
    assert rig.app.sessions.draining
