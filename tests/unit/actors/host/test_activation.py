"""An actor wakes as what its store says, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from ganggpt.actors.envelope import reply_ok
from ganggpt.actors.host.activation import Activation, Unreadable, wake
from ganggpt.domain.ids import ActorId, new_command_id
from ganggpt.domain.kinds import (
    KINDS,
    VERSION,
    TurnRecord,
    encode_state,
    encode_turn,
)
from ganggpt.domain.npc.commands import Observe
from ganggpt.domain.turn import Command, Dice, Turn
from ganggpt.persistence.ports.journal import StoredActor, StoredTurn
from tests.support.builders import NOW_S, PlainMind, a_world
from tests.support.runtime import MARA

NPC = ActorId("npc:mara")


def a_life(turns: int) -> tuple[list[StoredTurn], list[Any]]:
    """Turns of an NPC, and its state after each."""
    rows, states, kind = [], [], KINDS["npc"]
    state: Any = None
    for seq in range(1, turns + 1):
        command: Command = MARA if seq == 1 else Observe(f"ship {seq} came in with {seq * 7} crates", 50)
        turn = Turn(NPC, seq, NOW_S + seq, "server:s", Dice(seq), a_world(), PlainMind())
        decision = kind.decide(state, command, turn)
        for event in decision.events:
            state = kind.evolve(state, event)
        command_id = new_command_id(NOW_S + seq)
        body = encode_turn(TurnRecord(VERSION, turn.now_s, decision.events, reply_ok(command_id, seq, decision.reply)))
        rows.append(StoredTurn(seq, command_id, body))
        states.append(state)
    return rows, states


def test_a_replay_and_a_snapshot_with_the_rest_make_the_same_actor() -> None:
    rows, states = a_life(6)
    whole = wake(NPC, "s:0", StoredActor(0, None, tuple(rows)), NOW_S + 9)
    early = wake(NPC, "s:0", StoredActor(0, None, tuple(rows[:4])), NOW_S + 5)
    rest = wake(NPC, "s:0", StoredActor(4, early.snapshot(), tuple(rows[4:])), NOW_S + 9)
    assert encode_state(whole.state) == encode_state(rest.state) == encode_state(states[-1])
    assert (whole.seq, rest.seq, rest.snapshot_seq) == (6, 6, 4)
    assert whole.window.entries() == rest.window.entries()


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_an_actor_a_turn_of_which_is_missing_stays_asleep(missing: int) -> None:
    rows, _ = a_life(5)
    del rows[missing]
    with pytest.raises(Unreadable, match=f"turn {missing + 1} is missing"):
        wake(NPC, "s:0", StoredActor(0, None, tuple(rows)), NOW_S + 9)


def test_an_actor_with_turns_after_a_gap_behind_its_snapshot_stays_asleep() -> None:
    rows, _ = a_life(5)
    early = wake(NPC, "s:0", StoredActor(0, None, tuple(rows[:2])), NOW_S + 5)
    with pytest.raises(Unreadable, match="turn 3 is missing"):
        wake(NPC, "s:0", StoredActor(2, early.snapshot(), tuple(rows[3:])), NOW_S + 9)


@pytest.mark.parametrize("body", [b"", b"x", b"\x94\x01", b"\x94\x01\xcb", b"\x00" * 40])
def test_an_actor_with_broken_bytes_stays_asleep_and_takes_nobody_with_it(body: bytes) -> None:
    rows, _ = a_life(3)
    rows[2] = StoredTurn(3, rows[2].command_id, body)
    with pytest.raises(Unreadable):
        wake(NPC, "s:0", StoredActor(0, None, tuple(rows)), NOW_S + 9)
    with pytest.raises(Unreadable):
        wake(NPC, "s:0", StoredActor(3, body, ()), NOW_S + 9)


def test_an_unknown_actor_wakes_as_nobody() -> None:
    woken = wake(NPC, "s:0", None, NOW_S)
    assert isinstance(woken, Activation)
    assert (woken.state, woken.seq) == (None, 0)
