"""The examples of docs/BRIDGE.md do what the page says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ganggpt.domain.ids import command_id_text, new_command_id
from ganggpt.protocol.limits import Limits
from ganggpt.serve.errors import STATUS
from ganggpt.serve.session import CloseCode
from tests.unit.serve.client import opened
from tests.unit.serve.rig import TOKEN, Rig, served

PAGE = (Path(__file__).parents[3] / "docs" / "BRIDGE.md").read_text(encoding="utf-8")


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
    by_socket, by_rest = _blocks("python")
    names: dict[str, Any] = {}
    exec(by_socket, names)
    exec(by_rest, names)
    assert (await names["talk"](f"ws://{address}/v1/bridge", TOKEN))["ok"] is True
    key = command_id_text(new_command_id())
    answer = await asyncio.to_thread(names["talk_by_rest"], f"http://{address}", TOKEN, key)
    assert (answer["id"], answer["ok"]) == (key, True)


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
