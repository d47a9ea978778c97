"""Journals written before politics and missions grew are still read: shorter records take the defaults of now."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ganggpt.domain import upcasters
from ganggpt.domain.kinds import KINDS, decode_command, decode_state, decode_turn
from ganggpt.domain.messages import EndMission, Offer, SufferRaid
from ganggpt.domain.mission.state import deadline_s, reward_of
from tests.support.builders import NOW_S
from tests.support.town import a_played_town

GREW = {
    "faction": {"PoliticalTurnTaken": 6, "RaidSuffered": 4},
    "mission": {"MissionOffered": 5},
    "npc": {"WorkOffered": 4},
    "player": {"MissionEnded": 4},
}
"""How many fields the events had that have more now."""


def shortened(kind: str, event: list[Any]) -> list[Any]:
    fields = GREW[kind].get(event[0])
    return event if fields is None else event[: fields + 1]


@pytest.mark.parametrize("kind", sorted(GREW))
def test_events_of_the_first_layout_fold_into_states_of_now(kind: str) -> None:
    town = a_played_town()
    seen = set()
    for actor, played in town.actors.items():
        if not actor.startswith(f"{kind}:"):
            continue
        events = [shortened(kind, event) for event in msgspec.to_builtins(played.journal)]
        seen |= {event[0] for event in events}
        old = msgspec.msgpack.encode([1, NOW_S, events, b"\x80"])
        state: Any = None
        for event in decode_turn(KINDS[kind], old).events:
            state = KINDS[kind].evolve(state, event)
        assert KINDS[kind].view(state, town.now_s)
    assert set(GREW[kind]) - {"RaidSuffered"} <= seen


FIRST_STATES = {"companion": 21, "faction": 14, "mission": 10, "npc": 11, "player": 17}
"""How many fields the states had when the first of them were stored."""
RENAMED = {"mull_s": "reflects_s", "purse": "mission_funds", "purse_s": "mission_funds_s"}
"""Fields of layout 1 that are called otherwise now."""
WITH_MIND = {"npc": upcasters._NPC_1, "companion": upcasters._COMPANION_1}


def as_first_layout(kind: str, state: Any) -> list[Any]:
    """A state as layout 1 stored it."""
    if kind not in WITH_MIND:
        return list(msgspec.to_builtins(state, builtin_types=(bytes,)))
    named = (RENAMED.get(name, name) for name in WITH_MIND[kind])
    parts = [getattr(state if hasattr(state, name) else state.mind, name) for name in named]
    return list(msgspec.to_builtins(parts, builtin_types=(bytes,)))


def test_states_of_the_first_layout_are_read() -> None:
    town = a_played_town()
    for actor, played in town.actors.items():
        kind = actor.partition(":")[0]
        stored = as_first_layout(kind, played.state)
        assert decode_state(played.kind, msgspec.msgpack.encode([1, stored])) == played.state
        for count in range(FIRST_STATES[kind], len(stored)):
            read = decode_state(played.kind, msgspec.msgpack.encode([1, stored[:count]]))
            assert as_first_layout(kind, read)[:count] == stored[:count]
            assert played.kind.view(read, town.now_s)


def test_a_mission_of_the_first_layout_pays_as_it_was_promised() -> None:
    town = a_played_town()
    state = town["mission:m1"]
    old = msgspec.convert(msgspec.to_builtins(state)[:10], type(state))
    assert reward_of(old) == 1_500
    assert old.payer is None
    assert deadline_s(old) == old.due_s


@pytest.mark.parametrize(
    ("kind", "name", "body", "command"),
    [
        (
            "mission",
            "Offer",
            {"template": "parcel", "giver": "npc:mara", "player": "player:ava"},
            Offer("parcel", "npc:mara", "player:ava"),
        ),
        (
            "player",
            "EndMission",
            {"mission": "mission:m1", "outcome": "completed", "reward": 5},
            EndMission("mission:m1", "completed", 5),
        ),
        ("faction", "SufferRaid", {"raider": "vipers", "dollars_max": 5}, SufferRaid("vipers", 5)),
    ],
)
def test_messages_that_wait_since_then_are_understood(kind: str, name: str, body: Any, command: Any) -> None:
    assert decode_command(kind, name, msgspec.msgpack.encode(body)) == command
