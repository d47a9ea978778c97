"""Finished reply maps: what can be told from their bytes."""

from __future__ import annotations

from ganggpt.actors.envelope import REPLY_HEAD, error_of, error_tail, outcome_of, reply_error, reply_ok
from ganggpt.domain.ids import new_command_id
from ganggpt.errors import Overloaded, Refused


def test_the_outcome_of_a_finished_reply_is_told_from_its_bytes() -> None:
    for seq in (0, 2**40):
        assert outcome_of(reply_ok(new_command_id(), seq, {})) == "ok"
        assert error_of(reply_ok(new_command_id(), seq, {})) is None
    for error in (Overloaded("x", 1), Refused("x", "y")):
        assert outcome_of(reply_error(new_command_id(), error)) == error.code
        assert error_of(reply_error(new_command_id(), error)) == error.as_wire()


def test_an_error_map_made_of_head_id_and_tail_is_the_same_as_one_made_at_once() -> None:
    error, command_id = Overloaded("x", 1), new_command_id()
    assert REPLY_HEAD + command_id + error_tail(error) == reply_error(command_id, error)
