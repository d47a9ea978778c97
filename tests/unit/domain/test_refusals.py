"""The reasons that commands say they can be refused for are those their rules can raise, and no others."""

from __future__ import annotations

import ast
import inspect
import sys

import pytest

from ganggpt.domain.described import REASONS
from ganggpt.domain.faction import life as faction_life
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.messages import ShowRecord
from ganggpt.domain.mind.commands import Condense, Utter
from ganggpt.domain.npc import life as npc_life
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.player import rules as player
from ganggpt.serve import present_names
from tests.support.refusals import raised_in, reasons_of

PUBLIC = [
    pytest.param(kind, command, id=f"{kind.name}-{command.tag}")
    for kind in KINDS.values()
    for command in kind.commands.values()
    if not command.internal
]
AWAY = {"npc": npc_life.WANTED_OF_IT, "faction": faction_life.WANTED_OF_IT}
"""What a retired actor refuses, whatever its rule says."""
BY_THE_BRIDGE = {("player", "Join"): set(raised_in(ast.parse(inspect.getsource(present_names))))}


@pytest.mark.parametrize(("kind", "command"), PUBLIC)
def test_a_command_lists_exactly_the_reasons_its_rules_can_raise(kind, command) -> None:  # type: ignore[no-untyped-def]
    rules = sys.modules[kind.decide.__module__]._RULES
    creating = reasons_of(kind.decide, without=frozenset({"_RULES"})) - {"retired"}
    found = reasons_of(rules[command]) if command in rules else creating
    found |= {"retired"} if command.tag in AWAY.get(kind.name, ()) else set()
    assert found | BY_THE_BRIDGE.get((kind.name, command.tag), set()) == set(command.refuses)
    assert len(command.refuses) == len(set(command.refuses))


def test_reasons_are_found_behind_partial_functions_tables_and_other_modules() -> None:
    assert reasons_of(npc._RULES[Utter]) == {"stale"}
    assert reasons_of(npc._RULES[Condense]) == {"no_summary"}
    assert reasons_of(player._RULES[ShowRecord]) == {"not_a_person"}
    assert reasons_of(npc.decide) >= {"stale", "no_work", "not_a_player", "mission_rejected"}


def test_every_reason_is_explained_and_none_besides() -> None:
    used = {reason for kind in KINDS.values() for c in kind.commands.values() for reason in c.refuses}
    assert used == set(REASONS)
