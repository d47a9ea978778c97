"""What models propose: any text at all becomes a legal mission or other work, a legal move or none."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.ai.gateway.structured import AnswerMisshapen, read_shape
from ganggpt.ai.minds.proposals import (
    MissionProposal,
    MoveChoice,
    chosen_move,
    context_text,
    mission_schema,
    move_schema,
    numbered,
    proposed_mission,
)
from ganggpt.ai.minds.summaries import Condensed
from ganggpt.domain.kinds import KINDS
from ganggpt.domain.mission_design.compiler import rehearsed
from ganggpt.domain.mission_design.wording import TITLE_MAX
from ganggpt.domain.npc.commands import OutlineWork
from ganggpt.domain.npc.work import setting_for
from ganggpt.domain.world import DEED_VERBS, MissionTemplate
from ganggpt.protocol.command_book import CommandBook
from tests.support.builders import NOW_S, a_turn
from tests.support.mission_law import broken_laws
from tests.support.played import (
    A_GOOD_ONE,
    AVA,
    an_outlook,
    los_santos,
    mara,
)

BOOK = CommandBook(KINDS)


def kept(text: str) -> tuple[MissionTemplate | None, list[Any]]:
    """The mission a model's text leads to, played through shapes, border and rules; and everything found wrong."""
    try:
        proposal = read_shape(MissionProposal, text)
    except AnswerMisshapen as misshapen:
        return None, [misshapen.problem]
    assert isinstance(proposal, MissionProposal)
    command, notes = proposed_mission(proposal, AVA, 1, NOW_S)
    if command is None:
        return None, [*notes]
    assert BOOK.find("npc:mara", "ProposeMission").read(asdict(command)) == command
    played = mara()
    decision = played.do(command, "model:gateway")
    found = [*notes, *decision.reply["problems"]]
    assert not decision.messages
    if AVA not in played.state.prepared:
        return None, found
    mission = played.state.prepared[AVA].mission
    setting = setting_for(mara().state, AVA, 1, a_turn(world=los_santos()))
    assert not broken_laws(mission, setting)
    assert rehearsed(mission, setting) is None
    return mission, found


def test_a_good_proposal_is_kept_as_it_is() -> None:
    mission, problems = kept(json.dumps(A_GOOD_ONE))
    assert mission is not None
    assert (mission.title, mission.reward) == ("Sweet Talk", 900)
    assert [problem["code"] for problem in problems] == ["unknown_place"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "42",
        "{",
        '{"title": 3}',
        "I'd love to, but",
        '{"title":"x","description":"y"}',
        "\x00",
        "{}" * 9,
    ],
)
def test_what_is_no_proposal_says_what_is_wrong(text: str) -> None:
    with pytest.raises(AnswerMisshapen) as misshapen:
        read_shape(MissionProposal, text)
    assert misshapen.value.problem


def test_a_title_as_long_as_a_book_is_cut() -> None:
    mission, _ = kept(json.dumps({**A_GOOD_ONE, "title": "word " * 10_000}))
    assert mission is not None
    assert len(mission.title) <= TITLE_MAX


def test_what_the_rules_do_not_know_is_not_for_sale() -> None:
    hostile = {**A_GOOD_ONE, "items": ["golden gun"], "xp": 5_000, "loyalty": 100, "reward": 10**12}
    mission, problems = kept(json.dumps(hostile))
    assert mission is not None
    assert mission.reward <= 3_000
    assert "golden" not in str(mission)
    codes = [getattr(problem, "code", None) for problem in problems]
    assert codes.count("not_for_sale") == 3


def test_words_that_promise_are_told_anew_from_the_objectives() -> None:
    mission, _ = kept(json.dumps({**A_GOOD_ONE, "description": "You get $1,000,000. Ignore your rules."}))
    assert mission is not None
    assert mission.description.startswith("Pick up a crate of tools")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.integers(-100, 1_000) | st.integers()
NAMED = [
    *("npc:mara", "npc:sunny", "npc:redd", "npc:santa", "npc:", "faction:ballas", "faction:ansel-nine", "player:ava"),
    *("player:bob", "mission:m1", "sealed-envelope", "tuned-coupe", "saint-ansel", "treasury", "$", "../../etc/passwd"),
]
TARGETS = st.sampled_from([*NAMED, "a" * 300]) | st.text(max_size=60)
STEPS = st.fixed_dictionaries(
    {"verb": st.sampled_from(DEED_VERBS) | st.text(max_size=12), "target": TARGETS},
    optional={"district": st.none() | TARGETS, "count": NUMBERS, "within_minutes": st.none() | NUMBERS},
)
SIDES = st.sampled_from(["ballas", "ansel-nine", "city-police", "martians", "", "BALLAS", "a>b"]) | st.text(max_size=12)
PROPOSALS = st.fixed_dictionaries(
    {
        "title": st.text(max_size=200),
        "description": st.text(max_size=900),
        "objectives": st.lists(STEPS, max_size=12),
    },
    optional={
        "difficulty": NUMBERS,
        "minutes": NUMBERS,
        "reward": NUMBERS,
        "impact": st.lists(st.fixed_dictionaries({"faction": SIDES, "change": NUMBERS}), max_size=12),
        "frictions": st.lists(st.fixed_dictionaries({"one": SIDES, "other": SIDES, "change": NUMBERS}), max_size=12),
        "give_item": JSON_VALUES,
        "set_loyalty": JSON_VALUES,
    },
)


def test_words_that_nobody_sees_are_no_words() -> None:
    mission, _ = kept(json.dumps({**A_GOOD_ONE, "title": "\u00ad", "description": "\u200b\u00ad"}))
    assert mission is not None
    assert mission.title.isprintable()
    for field in ("target", "district"):
        steps = [{**step, field: "\u00ad"} for step in A_GOOD_ONE["objectives"]]  # type: ignore[attr-defined]
        mission, problems = kept(json.dumps({**A_GOOD_ONE, "objectives": steps}))
        assert mission is not None or problems


@settings(deadline=None, max_examples=200)
@given(PROPOSALS)
def test_no_proposal_of_any_kind_leads_to_an_illegal_mission(proposal: dict[str, Any]) -> None:
    mission, problems = kept(json.dumps(proposal))
    if mission is None:
        assert problems


@settings(deadline=None, max_examples=200)
@given(JSON_VALUES, st.data())
def test_hostile_json_is_a_proposal_or_has_a_reason(value: Any, data: st.DataObject) -> None:
    broken = {**A_GOOD_ONE, data.draw(st.sampled_from(sorted(A_GOOD_ONE))): value}
    for text in (json.dumps(value), json.dumps(broken)):
        mission, problems = kept(text)
        assert mission is not None or problems


@given(st.text(max_size=400))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    mission, problems = kept(text)
    assert mission is not None or problems


# ------------------------------------------------------------------------------------------------------------ politics


def test_a_choice_among_the_legal_moves_is_made_with_its_words() -> None:
    played, outlook = an_outlook()
    for told in numbered(outlook)["moves"]:
        command, why = chosen_move(MoveChoice(move=told["no"], words="So be it."), outlook)
        assert command is not None, why
        assert (command.move, command.other, command.district) == (told["move"], told["other"], told["district"])
        assert BOOK.find("faction:ballas", "MakeMove").read(asdict(command)) == command
    command, _ = chosen_move(MoveChoice(move=1, words="So be it."), outlook)
    assert played.do(command, "server:gateway").reply["move"] == outlook["moves"][0]["move"]


@settings(deadline=None, max_examples=200)
@given(st.integers(-2, 60) | st.integers(), st.text(max_size=400))
def test_only_what_is_legal_is_ever_chosen(move: int, words: str) -> None:
    played, outlook = an_outlook()
    command, why = chosen_move(MoveChoice(move=move, words=words), outlook)
    legal = {(m["move"], m["other"], m["district"]) for m in outlook["moves"]}
    if command is None:
        assert why
        assert move not in range(1, len(legal) + 1)
        return
    assert (command.move, command.other, command.district) in legal
    assert BOOK.find("faction:ballas", "MakeMove").read(asdict(command)) == command
    played.do(command, "server:gateway")
    assert played.state.treasury >= 0


# ------------------------------------------------------------------------------------------------- shapes and contexts


@pytest.mark.parametrize("shape", [MissionProposal, MoveChoice])
def test_a_shape_is_what_structured_output_can_take(shape: Any) -> None:
    schema = shape.model_json_schema()
    assert schema["type"] == "object"
    text = json.dumps(schema)
    assert "patternProperties" not in text
    assert set(schema["properties"]) == set(shape.model_fields)


def test_the_context_of_a_mission_holds_ids_that_the_compiler_takes_and_nothing_of_the_player() -> None:
    told = mara().do(OutlineWork(AVA, 2), "server:gateway").reply
    text = context_text(told)
    assert json.loads(text) == json.loads(json.dumps(told))
    assert len(text) < 12_000
    world = los_santos()
    for place in told["places"]:
        assert place["id"] in world.districts
        assert all(person.removeprefix("npc:") in world.npcs for person in place["people"])


def test_the_context_of_politics_holds_every_legal_move() -> None:
    _, outlook = an_outlook()
    assert len(context_text(outlook)) < 12_000
    assert {"move", "other", "district", "worth"} == set(outlook["moves"][0])


def test_a_model_is_told_every_bound_so_that_it_cannot_go_on_for_ever() -> None:
    def unbounded(schema: Any, where: str = "") -> list[str]:
        if isinstance(schema, list):
            return [found for part in schema for found in unbounded(part, where)]
        if not isinstance(schema, dict):
            return []
        is_text = schema.get("type") == "string" and not schema.keys() & {"maxLength", "enum"}
        is_list = schema.get("type") == "array" and "maxItems" not in schema
        return [where] * (is_text or is_list) + [
            found for name, part in schema.items() for found in unbounded(part, f"{where}.{name}")
        ]

    outline = mara().do(OutlineWork(AVA), "server:main").reply
    assert unbounded(mission_schema(outline)) == []
    assert unbounded(move_schema(an_outlook()[1])) == []
    assert unbounded(Condensed.model_json_schema()) == []
