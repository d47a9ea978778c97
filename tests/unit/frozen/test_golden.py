"""What a program of an older layout stored is read for ever: it decodes, and it means what it meant then.

The bytes were written once, by the program of their day (``tests.support.frozen.golden``); they are never made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from ganggpt.actors.host.activation import wake
from ganggpt.domain.ids import ActorId, kind_of
from ganggpt.domain.kinds import (
    KINDS,
    decode_command,
    decode_effects,
    decode_turn,
    encode_command,
    encode_turn,
    keeps_effects,
    kind_for,
)
from ganggpt.persistence.ports.journal import StoredActor, StoredTurn
from tests.support.frozen.golden import (
    LAYOUTS,
    Golden,
    Life,
    read,
    state_in,
    view_of,
)

GOLDEN: dict[int, Golden] = {layout: read(layout) for layout in LAYOUTS}
LIVES = [
    pytest.param(life, id=f"{layout}-{life.world}-{life.actor}".replace(" ", ""))
    for layout, golden in GOLDEN.items()
    for life in golden.lives
]
_LEFT_AND_CHANGED = "people and factions could neither change nor leave"
_LEAVING = ("Returned", "Revised", "Retired", "Revise", "Retire")
SINCE: dict[str, str] = {
    "npc.Replaced": "tests/unit/domain/npc/test_hearing.py",
    "companion.Replaced": "tests/unit/domain/npc/test_hearing.py",
    **dict.fromkeys(
        (
            f"{kind}.{word}"
            for kind in ("npc", "faction")
            for word in ("Returned", "Revised", "Retired", "Revise", "Retire")
        ),
        _LEFT_AND_CHANGED,
    ),
    **dict.fromkeys(("npc.SidesHeard", "npc.HearOfSides", "faction.ShowSides"), "tests/unit/domain/npc/test_sides.py"),
    "npc.SceneSeen": "tests/unit/domain/player/test_witnesses.py",
    **dict.fromkeys(("npc.Needed", "npc.NeedPerson", "mission.LosePerson"), _LEFT_AND_CHANGED),
}
"""Events and commands (``npc.Spoke``) that no golden file has, each with the reason: it came after the last layout."""


def test_there_are_bytes_of_the_first_layout() -> None:
    assert LAYOUTS[0] == 1
    for layout, golden in GOLDEN.items():
        assert golden.layout == layout
        assert all(body[1] == layout for life in golden.lives for _, _, body in life.turns)
        assert {kind_of(life.actor) for life in golden.lives} == set(KINDS)
        assert {kind_of(life.actor) for life in golden.lives if life.snapshots} == set(KINDS)


@pytest.mark.parametrize("life", LIVES)
def test_a_journal_folds_into_the_view_it_had(life: Life) -> None:
    assert still_shows(view_of(life.actor, folded(life, None, 0), life.now_s), life.view)


@pytest.mark.parametrize("life", [life for life in LIVES if life.values[0].snapshots])
def test_a_snapshot_holds_the_view_it_had_and_the_turns_after_it_lead_on(life: Life) -> None:
    for snapshot in life.snapshots:
        state = state_in(life.actor, snapshot.body)
        assert still_shows(view_of(life.actor, state, snapshot.now_s), snapshot.view)
        assert still_shows(view_of(life.actor, folded(life, state, snapshot.seq), life.now_s), life.view)


@pytest.mark.parametrize("life", LIVES)
def test_an_actor_wakes_from_what_was_stored(life: Life) -> None:
    turns = tuple(StoredTurn(seq, seq.to_bytes(16, "big"), body) for seq, _, body in life.turns)
    stored = [StoredActor(0, None, turns)]
    stored += [StoredActor(s.seq, s.body, tuple(t for t in turns if t.seq > s.seq)) for s in life.snapshots]
    for known in stored:
        woken = wake(ActorId(life.actor), "0", known, life.now_s)
        assert woken.seq == turns[-1].seq
        assert still_shows(view_of(life.actor, woken.state, life.now_s), life.view)


@pytest.mark.parametrize("life", LIVES)
def test_a_turn_is_written_as_it_was(life: Life) -> None:
    for _, _, body in life.turns:
        record = decode_turn(kind_for(life.actor), body)
        assert keeps_effects(body)
        assert decode_effects(body) == (record.at_s, record.effects, record.first)
        again = encode_turn(record)
        same = again[:1] + body[1:2] + again[2:] == body
        assert same or has_grown(msgspec.msgpack.decode(body)[1:], msgspec.msgpack.decode(again)[1:]), record


def test_every_command_on_its_way_is_understood_and_written_as_it_was() -> None:
    bodies = [(sent.kind, sent.name, sent.body) for golden in GOLDEN.values() for sent in golden.sent]
    for kind, name, body in (*bodies, *wished_for()):
        again = encode_command(decode_command(kind, name, body))
        assert again == body or has_grown(msgspec.msgpack.decode(body), msgspec.msgpack.decode(again)), (kind, name)


def test_every_event_of_every_kind_occurs() -> None:
    known = {f"{kind.name}.{event.__struct_config__.tag}" for kind in KINDS.values() for event in get_args(kind.events)}
    found = {
        f"{kind_of(life.actor)}.{event[0]}"
        for golden in GOLDEN.values()
        for life in golden.lives
        for _, _, body in life.turns
        for event in msgspec.msgpack.decode(body)[2]
    }
    assert known - found == {name for name in known if name in SINCE}


def test_every_command_of_every_kind_occurs() -> None:
    known = {f"{kind.name}.{name}" for kind in KINDS.values() for name in kind.commands}
    found = {f"{sent.kind}.{sent.name}" for golden in GOLDEN.values() for sent in golden.sent}
    assert known - found == {name for name in known if name in SINCE}


def folded(life: Life, state: Any, seq: int) -> Any:
    """The state after the turns of a life that come after ``seq``."""
    kind = kind_for(life.actor)
    for at, _, body in life.turns:
        if at > seq:
            record = decode_turn(kind, body)
            state = None if record.first else state
            for event in record.events:
                state = kind.evolve(state, event)
    return state


def wished_for() -> Iterator[tuple[str, str, bytes]]:
    """The messages and reminders in all turns: kind, name and body of each command."""
    for golden in GOLDEN.values():
        for life in golden.lives:
            for _, _, body in life.turns:
                _, effects, _ = decode_effects(body)
                if effects is not None:
                    yield from ((kind_of(to), name, message) for to, name, message in effects.messages)
                    own = kind_of(life.actor)
                    yield from ((own, name, told) for _, due_s, name, told in effects.reminders if due_s is not None)


def still_shows(now: Any, was: Any) -> bool:
    """Whether a view is what it was, but for fields that views have had since."""
    if isinstance(was, dict) and isinstance(now, dict):
        return all(key in now and still_shows(now[key], part) for key, part in was.items())
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(still_shows, now, was))
    return bool(was == now)


def has_grown(was: Any, now: Any) -> bool:
    """Whether nothing was changed, and records at most have more fields at their end."""
    if type(was) is not type(now):
        return False
    if isinstance(was, list):
        return len(was) <= len(now) and all(map(has_grown, was, now))
    if isinstance(was, dict):
        return all(key in now and has_grown(part, now[key]) for key, part in was.items())
    return bool(was == now)
