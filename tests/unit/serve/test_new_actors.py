"""How fast new actors may come, over the WebSocket and over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ganggpt.domain.kinds import KINDS
from ganggpt.errors import Overloaded
from ganggpt.protocol.limits import Limits
from ganggpt.serve.new_actors import BURST_S, NewActors
from tests.support.bridge_client import GameServer, client_of, greeted
from tests.support.bridge_rig import Rig, served

TRAITS = {"friendliness": 50, "temper": 50, "greed": 50, "courage": 50}
SHEET = {"name": "A guard", "role": "guard", "home": "docks", "faction": None, "traits": TRAITS, "style": "street"}


class _Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _admitted(new: NewActors, kind: str, tries: int) -> int:
    came = 0
    for _ in range(tries):
        try:
            new.admit(kind)
        except Overloaded:
            continue
        came += 1
    return came


def test_a_burst_comes_at_once_and_then_the_rate() -> None:
    clock = _Clock()
    new = NewActors(20.0, clock)
    assert _admitted(new, "npc", 5000) == 20 * BURST_S
    clock.now_s += 3.0
    assert _admitted(new, "npc", 5000) == 60
    clock.now_s += 3600.0
    assert _admitted(new, "npc", 5000) == 20 * BURST_S


def test_a_kind_that_is_full_keeps_no_other_out() -> None:
    new = NewActors(1.0, _Clock())
    _admitted(new, "npc", 100)
    assert _admitted(new, "player", 1) == 1


def test_those_turned_away_are_told_different_times_and_find_room_then() -> None:
    clock = _Clock()
    new = NewActors(10.0, clock)
    _admitted(new, "npc", int(10 * BURST_S))
    hints = []
    for _ in range(30):
        with pytest.raises(Overloaded) as refused:
            new.admit("npc")
        hints.append(refused.value.retry_after_ms)
    assert hints == [100 * n for n in range(1, 31)]
    for wait_ms in hints:
        clock.now_s = 100.0 + wait_ms / 1000 + 1e-6
        new.admit("npc")


def test_no_hint_is_longer_than_a_burst_takes() -> None:
    new = NewActors(2.0, _Clock())
    _admitted(new, "npc", 10_000)
    with pytest.raises(Overloaded) as refused:
        new.admit("npc")
    assert refused.value.retry_after_ms == BURST_S * 1000


@pytest.fixture
async def rig() -> Rig:
    return Rig(kinds=KINDS, limits=replace(Limits(), new_actors_per_s=0.5))


@pytest.fixture
async def game(rig: Rig) -> AsyncIterator[GameServer]:
    async with served(rig.app) as address, greeted(address) as (game, _):
        yield game


def _spawns(game: GameServer, count: int) -> list[dict[str, Any]]:
    return [{"id": game.new_id(), "to": f"npc:n{n}", "do": "Spawn", "with": SHEET} for n in range(count)]


async def test_a_flood_of_spawns_is_turned_away_with_a_hint_and_talk_goes_on(rig: Rig, game: GameServer) -> None:
    commands = _spawns(game, 40)
    talk = game.talk()
    await game.send({"t": "commands", "c": [*commands, talk]})
    replies = await game.replies(41)
    errors = [reply["error"] for reply in replies.values() if not reply["ok"]]
    assert len(errors) == 40 - 0.5 * BURST_S
    assert {error["code"] for error in errors} == {"overloaded"}
    assert all(error["retryable"] and error["retry_after_ms"] > 0 for error in errors)
    assert replies[talk["id"]]["ok"]
    assert len(rig.port.seen) == 6


async def test_rest_and_websocket_share_the_bound(rig: Rig, game: GameServer) -> None:
    await game.send({"t": "commands", "c": _spawns(game, 5)})
    assert all(reply["ok"] for reply in (await game.replies(5)).values())
    async with client_of(rig) as http:
        answer = await http.post("/v1/actors/npc:late/commands/Spawn", json=SHEET)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
        wrong = await http.post("/v1/actors/npc:late/commands/Spawn", json={})
        assert wrong.status_code == 422, "what is wrong is told first"
