"""The examples of docs/BRIDGE.md do what the page says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.domain.kinds import decode_command, decode_turn
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.commands import Hush
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.domain.npc.rules import KIND
from ganggpt.protocol.limits import Limits
from ganggpt.serve.rest.error_response import STATUS
from ganggpt.serve.websocket.session import CloseCode
from tests.support.bridge_client import opened
from tests.support.bridge_rig import TOKEN, Rig, served
from tests.support.paths import ROOT
from tests.support.utterance_scene import a_scene

EVENT = re.compile(r"id: (\S+)\nevent: (\w+)\ndata: (.+)")
PAGE = (ROOT / "docs" / "BRIDGE.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with served(Rig().app) as where:
        yield where


def _fits(shown: Any, heard: Any) -> bool:
    if shown == "…":
        return True
    if isinstance(shown, dict):
        return (
            isinstance(heard, dict) and shown.keys() == heard.keys() and all(_fits(shown[k], heard[k]) for k in shown)
        )
    if isinstance(shown, list):
        return isinstance(heard, list) and len(shown) == len(heard) and all(map(_fits, shown, heard))
    return bool(shown == heard)


async def test_the_conversation_goes_as_shown(address: str) -> None:
    (conversation,) = _blocks("conversation")
    async with opened(address, binary=False) as game:
        for line in conversation.strip().splitlines():
            who, frame = line[0], json.loads(line[1:])
            if who == "→":
                await game.send(frame)
            else:
                heard = await game.hear()
                assert _fits(frame, heard), f"shown {frame}, heard {heard}"
        assert (await game.closed())[0] == 1000


async def test_the_python_examples_run(address: str) -> None:
    names: dict[str, Any] = {}
    for example in _blocks("python"):
        exec(example, names)
    assert (await names["talk"](f"ws://{address}/v1/bridge", TOKEN))["ok"] is True
    key = command_id_text(new_command_id())
    answer = await asyncio.to_thread(names["talk_by_rest"], f"http://{address}", TOKEN, key)
    assert (answer["id"], answer["ok"]) == (key, True)
    heard = await asyncio.to_thread(names["hear_by_rest"], f"http://{address}", TOKEN, "Hello, Mara.")
    assert [event for event, _ in heard] == ["reply", "done"]


async def test_the_stream_and_the_pushes_of_a_talk_are_as_shown() -> None:
    async with a_scene() as scene:
        for _ in range(4):
            scene.mara.do(Give("silver watch", 5000), "player:ava")
        heard = []
        async with scene.talks("Walk with me, and have you got work?") as client:
            scene.mara.says("Where to?")
            scene.mara.ends(("follow", ""), ("offer_mission", ""))
            while (event := await client.next()) is not None:
                heard.append((client.last, *event))
        scene.mara.do(Talk("And you?"), "player:ava")
        scene.mara.do(Hush(), "player:ava")
        bodies = [told for _, body in scene.rig.turns.of["npc:mara"] for told in notes_in(body, "player:ava")]
    (stream,) = _blocks("sse")
    shown = [EVENT.fullmatch(part) for part in stream.strip().split("\n\n")]
    assert [(part[1], part[2]) for part in shown if part] == [(last, name) for last, name, _ in heard]
    for part, (_, _, data) in zip(shown, heard, strict=True):
        assert part is not None
        assert _fits(json.loads(part[3]), data), f"shown {part[3]}, heard {data}"
    (pushes,) = _blocks("pushes")
    for line, told in zip(pushes.strip().splitlines(), bodies, strict=True):
        # The player's own actor adds whose screen it is.
        assert _fits(json.loads(line), {**told, "body": {"player": "player:ava", **told["body"]}}), (line, told)
    assert _fits(list(json.loads(pushes.strip().splitlines()[0])["body"]), ["player", *bodies[0]["body"]])


def notes_in(body: bytes, player: str) -> list[dict[str, Any]]:
    """What a turn tells a player, as type and body."""
    effects = decode_turn(KIND, body).effects
    messages = () if effects is None else effects.messages
    told = [decode_command("player", name, said) for to, name, said in messages if (to, name) == (player, "Notify")]
    return [{"type": one.type, "body": dict(one.body)} for one in told if isinstance(one, Notify)]


def test_the_tables_name_every_code_and_limit() -> None:
    for code, status in STATUS.items():
        assert re.search(rf"\| {status} \|[^\n]*`{code}`", PAGE), (code, status)
    for close in CloseCode:
        if close is not CloseCode.GONE:
            assert f"| {close.value} |" in PAGE
    limits = Limits()
    assert f"At most {limits.pushes_unacked_max} unacked pushes" in PAGE
    assert (
        f"no hello within {limits.hello_timeout_s:.0f} s, nothing heard for {limits.idle_timeout_s / 60:.0f} min"
        in PAGE
    )
    assert f"{limits.bad_frames_max} unreadable frames in a row" in PAGE
    assert f"leaves {limits.out_bytes_max >> 20} MiB unread" in PAGE
    assert f"a body over {limits.body_bytes_max >> 10} KiB" in PAGE
    assert f"1..{limits.commands_max} commands" in PAGE
    assert f"nothing to the end within {limits.stream_age_max_s:.0f} s" in PAGE
    assert f"before `done` has {limits.stream_resume_s:.0f} s to come back" in PAGE
    assert f"A comment (`:`) every {limits.stream_beat_s:.0f} s" in PAGE
    assert f"At most {limits.streams_max} streams a replica" in PAGE
