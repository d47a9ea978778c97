"""The simulated game server keeps its side of docs/BRIDGE.md, also when the other side does not answer."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ganggpt.client.game_server import GameServer, Patience
from ganggpt.client.wire import JSON, MSGPACK, WireCommand
from ganggpt.domain.ids import command_id_time_s, new_command_id
from ganggpt.errors import InvalidInput, Unauthorized, Unavailable
from tests.support.far_end import LIMITS, TOKEN, FarEnd, say_yes

QUICK = Patience(open_s=5, answer_s=10, reconnect_s=5, backoff_first_s=0.01, backoff_max_s=0.05, retry_s=0.01)


def client(far: FarEnd, **options: Any) -> GameServer:
    return GameServer(far.url, TOKEN, "ls-1", **{"patience": QUICK, **options})


def a_push(no: int) -> dict[str, Any]:
    return {"no": no, "epoch": 1, "seq": no, "actor": "npc:mara", "type": "said", "body": {"text": f"news {no}"}}


def refusal(command: dict[str, Any], **error: Any) -> dict[str, Any]:
    shown = {"code": "overloaded", "message": "full", "retryable": True, **error}
    return {"id": command["id"], "ok": False, "error": shown}


@pytest.mark.parametrize("subprotocol", [MSGPACK, JSON])
async def test_a_command_is_answered_and_recorded_in_both_sub_protocols(subprotocol: str) -> None:
    async with FarEnd() as far, client(far, subprotocol=subprotocol) as game:
        answer = await game.send("npc:mara", "Talk", {"text": "hi"}, by="player:ana")
    assert (answer.ok, answer.seq, answer.sent) == (True, 1, 1)
    assert answer.reply["echo"] == {"text": "hi"}
    assert game.acked == {answer.id: ("npc:mara", 1)}
    assert not game.complaints
    assert not game.contradictions


async def test_ids_carry_the_time_of_the_bridge_and_not_of_the_client() -> None:
    async with FarEnd() as far:
        far.clock_ahead_ms = 3_600_000
        async with client(far) as game:
            answer = await game.send("npc:mara", "Talk")
    assert command_id_time_s(answer.id) == pytest.approx(time.time() + 3600, abs=30)


async def test_many_commands_share_frames_up_to_the_limit_and_keep_their_order() -> None:
    async with FarEnd() as far, client(far) as game:
        answers = await game.send_all([WireCommand("npc:mara", "Talk", {"n": n}) for n in range(100)])
    assert [a.reply["echo"]["n"] for a in answers] == list(range(100))
    assert max(far.frames) == LIMITS["commands_max"]
    assert len(far.frames) < 30


async def test_a_frame_stays_below_the_size_the_bridge_accepts() -> None:
    sizes: list[int] = []

    class Weighing(FarEnd):
        @staticmethod
        def _decode(connection: Any, data: bytes | str) -> dict[str, Any]:
            sizes.append(len(data))
            return FarEnd._decode(connection, data)

    async with Weighing() as far, client(far) as game:
        await game.send_all([WireCommand("npc:mara", "Talk", {"text": "x" * 1000}) for _ in range(20)])
    assert max(sizes) <= LIMITS["frame_bytes_max"]
    assert len(far.seen) == 20


async def test_no_more_commands_are_on_the_wire_than_the_bridge_allows() -> None:
    held: list[dict[str, Any]] = []

    def hold(command: dict[str, Any], times_seen: int) -> None:
        held.append(command)

    async with FarEnd(hold) as far, client(far) as game, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(game.send_all([WireCommand("npc:mara", "Talk")] * 40))
        for _ in range(3):
            await far.until(lambda: len(held) >= min(16, 40 - len(far.seen) + len(held)), "the next commands")
            assert len(held) <= LIMITS["in_flight_max"]
            replies = [say_yes(command, 1) for command in held]
            held.clear()
            await far.send({"t": "replies", "r": replies})
        assert len(await sending) == 40


async def test_unanswered_commands_go_again_under_the_same_ids_after_a_cut() -> None:
    silent_until_cut: dict[str, bool] = {"silent": True}

    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        return None if silent_until_cut["silent"] else say_yes(command, times_seen)

    async with FarEnd(answering) as far, client(far) as game, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(game.send_all([WireCommand("npc:mara", "Talk", {"n": n}) for n in range(5)]))
        await far.until(lambda: len(far.seen) == 5, "the five commands")
        silent_until_cut["silent"] = False
        game.cut()
        answers = await sending
    assert [a.reply["times_seen"] for a in answers] == [2] * 5
    assert [a.sent for a in answers] == [2] * 5
    assert far.seen[:5] == far.seen[5:]
    assert [hello["session"] for hello in far.hellos] == [None, "s1"]
    assert game.resumed


async def test_an_answered_command_is_not_sent_again_after_a_cut() -> None:
    async with FarEnd() as far, client(far) as game:
        await game.send("npc:mara", "Talk")
        game.cut()
        await far.until(lambda: len(far.hellos) == 2, "the second hello")
        await game.send("npc:mara", "Talk")
    assert len(far.seen) == len(set(far.seen)) == 2


async def test_a_retryable_error_is_tried_again_under_the_same_id() -> None:
    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        return refusal(command, retry_after_ms=5) if times_seen < 3 else say_yes(command, times_seen)

    async with FarEnd(answering) as far, client(far) as game:
        answer = await game.send("npc:mara", "Talk")
    assert answer.ok
    assert answer.sent == 3
    assert len(set(far.seen)) == 1


async def test_a_final_error_is_an_answer_and_is_not_acked() -> None:
    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        return refusal(command, code="refused", retryable=False, reason="too_far", unknown_field=1)

    async with FarEnd(answering) as far, client(far) as game:
        answer = await game.send("npc:mara", "Talk")
    assert answer.error is not None
    assert (answer.ok, answer.error.code, answer.error.reason) == (False, "refused", "too_far")
    assert not game.acked
    assert len(far.seen) == 1


async def test_a_retryable_error_becomes_the_answer_when_the_deadline_is_near() -> None:
    async with FarEnd(lambda command, _: refusal(command, retry_after_ms=60_000)) as far, client(far) as game:
        answer = await game.send("npc:mara", "Talk", within_s=1)
    assert answer.error is not None
    assert answer.error.code == "overloaded"
    assert answer.sent == 1


async def test_silence_ends_with_an_error_that_says_what_was_asked_of_whom() -> None:
    async with FarEnd(lambda *_: None) as far, client(far) as game:
        with pytest.raises(Unavailable, match=r"Talk for npc:mara .*sent 1 times in 0.05 s, the session is connected"):
            await game.send("npc:mara", "Talk", within_s=0.05)
        far.answering = say_yes
        again = await game.send("npc:mara", "Talk", command_id=new_command_id(game.now_s))
    assert again.ok


async def test_senders_beyond_the_bound_wait_for_a_slot() -> None:
    async with FarEnd(lambda *_: None) as far, client(far, in_flight_max=1) as game, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(game.send("npc:mara", "Talk"))
        await far.until(lambda: len(far.seen) == 1, "the first command")
        with pytest.raises(Unavailable, match="A free slot for Give to npc:mara"):
            await game.send("npc:mara", "Give", within_s=0.05)
        far.answering = say_yes
        game.cut()
        assert (await first).ok


async def test_one_id_sent_by_two_callers_is_one_command_with_one_answer() -> None:
    command_id = new_command_id()
    async with FarEnd() as far, client(far) as game:
        command = WireCommand("npc:mara", "Talk", {}, None, command_id)
        one, other = await game.send_all([command, command])
    assert one == other
    assert len(game.acked) == 1


async def test_two_different_answers_to_one_id_are_reported() -> None:
    def answering(command: dict[str, Any], times_seen: int) -> dict[str, Any] | None:
        return {"id": command["id"], "ok": True, "seq": times_seen, "reply": {}}

    async with FarEnd(answering) as far, client(far) as game:
        first = await game.send("npc:mara", "Talk")
        assert not game.contradictions
        await game.send("npc:mara", "Talk", command_id=first.id)
    assert game.contradictions == [first.id]


async def test_a_push_is_taken_once_and_acknowledged_when_taken() -> None:
    async with FarEnd() as far:
        far.pushes = [a_push(1), a_push(2)]
        async with client(far) as game:
            assert (await game.next_push()).body == {"text": "news 1"}
            await far.until(lambda: far.acks == [1], "the ack of push 1")
            game.cut()
            await far.until(lambda: len(far.hellos) == 2, "the second hello")
            assert (await game.next_push()).no == 2
            await far.until(lambda: set(far.acks) == {1, 2}, "the ack of push 2")
            with pytest.raises(Unavailable, match="A push for ls-1"):
                await game.next_push(within_s=0.05)


async def test_a_push_whose_ack_was_lost_is_acknowledged_again_and_not_shown_again() -> None:
    async with FarEnd() as far:
        far.pushes = [a_push(1)]
        async with client(far) as game:
            await game.next_push()
            await far.until(lambda: far.acks == [1], "the ack")
            far.acks.clear()
            game.cut()
            await far.until(lambda: far.acks == [1], "the second ack")
            with pytest.raises(Unavailable):
                await game.next_push(within_s=0.05)


async def test_pushes_beyond_the_bound_stay_unacked_and_come_again() -> None:
    async with FarEnd() as far:
        far.pushes = [a_push(n) for n in (1, 2, 3)]
        async with client(far, pushes_max=2) as game:
            assert [(await game.next_push()).no for _ in range(2)] == [1, 2]
            await far.until(lambda: far.acks == [1, 2], "two acks")
            game.cut()
            assert (await game.next_push()).no == 3


async def test_a_refused_token_is_told_at_once_and_not_tried_again() -> None:
    async with FarEnd() as far:
        with pytest.raises(Unauthorized):
            async with GameServer(far.url, "wrong", "ls-1", patience=QUICK):
                pass
    assert not far.hellos


async def test_a_refused_hello_is_told_at_once() -> None:
    async def refuse(connection: Any) -> bool:
        await connection.recv()
        error = {"code": "invalid_input", "message": "server: bad name", "retryable": False}
        await connection.send(FarEnd._encode(connection, {"t": "error", "error": error}))
        return False

    async with FarEnd() as far:
        far.greeting = refuse
        with pytest.raises(InvalidInput, match="bad name"):
            async with client(far):
                pass


async def test_a_welcome_of_the_wrong_shape_is_an_error_and_not_a_hang() -> None:
    async def stammer(connection: Any) -> bool:
        await connection.recv()
        await connection.send(FarEnd._encode(connection, {"t": "welcome", "session": 7}))
        return False

    async with FarEnd() as far:
        far.greeting = stammer
        with pytest.raises(InvalidInput, match="welcome"):
            async with client(far):
                pass


async def test_a_bridge_that_is_slow_to_come_up_is_tried_until_it_is_there() -> None:
    refused: list[int] = []

    async def hang_up_twice(connection: Any) -> bool:
        refused.append(1)
        return len(refused) > 2

    async with FarEnd() as far:
        far.greeting = hang_up_twice
        async with client(far) as game:
            assert (await game.send("npc:mara", "Talk")).ok
    assert len(refused) == 3


async def test_a_bridge_that_stays_away_fails_every_sender() -> None:
    patience = Patience(open_s=1, answer_s=10, reconnect_s=0.2, backoff_first_s=0.01, backoff_max_s=0.05)
    async with AsyncExitStack() as closing:
        async with FarEnd(lambda *_: None) as far:
            game = await closing.enter_async_context(client(far, patience=patience))
            sending = asyncio.create_task(game.send("npc:mara", "Talk"))
            await far.until(lambda: len(far.seen) == 1, "the command")
        with pytest.raises(Unavailable, match="The bridge at"):
            await sending


async def test_a_name_taken_by_a_newer_connection_ends_the_session() -> None:
    async with FarEnd(lambda *_: None) as far, client(far) as game:
        sending = asyncio.create_task(game.send("npc:mara", "Talk"))
        await far.until(lambda: len(far.seen) == 1, "the command")
        assert far.connection is not None
        await far.connection.close(4409, "a newer connection of this game server took over")
        with pytest.raises(Unavailable, match="a newer connection took it"):
            await sending
    assert len(far.hellos) == 1


async def test_after_a_bye_answers_still_arrive_and_new_commands_go_to_the_next_connection() -> None:
    held: list[dict[str, Any]] = []
    async with FarEnd(lambda command, _: held.append(command)) as far, client(far) as game:
        early = asyncio.create_task(game.send("npc:mara", "Talk"))
        await far.until(lambda: len(held) == 1, "the early command")
        await far.send({"t": "bye", "reason": "draining", "retry_after_ms": 10})
        await far.send({"t": "replies", "r": [say_yes(held[0], 1)]})
        assert (await early).sent == 1
        far.answering = say_yes
        late = asyncio.create_task(game.send("npc:mara", "Talk"))
        assert far.connection is not None
        await far.connection.close(4410, "draining")
        assert (await late).sent == 1
    assert len(far.hellos) == 2


async def test_errors_of_whole_frames_are_kept_as_complaints() -> None:
    async with FarEnd() as far, client(far) as game:
        error = {"code": "too_large", "message": "frame", "retryable": False}
        await far.send({"t": "error", "error": error})
        await far.send({"t": "replies", "r": [{"id": None, "ok": False, "error": error}]})
        await far.send({"t": "nonsense"})
        await game.send("npc:mara", "Talk")
    assert [c.code for c in game.complaints] == ["too_large", "too_large", "unreadable"]
