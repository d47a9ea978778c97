"""What a model may propose: a mission, or one of a faction's legal moves; and the data it is given to do so.

The shapes are for structured output: lists instead of maps, every field named. They are read leniently, because the
rules check everything again: a proposal becomes a command like a player's, with bounds, and the compiler (or the list
of legal moves) decides. Nothing here can promise, pay or move anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from ganggpt.domain.faction.moves import MakeMove
from ganggpt.domain.fields import is_slug, is_worded
from ganggpt.domain.language.words import clipped
from ganggpt.domain.mission_design.deeds import COUNT_MAX
from ganggpt.domain.mission_design.draft import Problem
from ganggpt.domain.mission_design.wording import DESCRIPTION_MAX, TITLE_MAX, cleaned, promises
from ganggpt.domain.npc.commands import ProposedObjective, ProposeMission
from ganggpt.domain.world import DEED_VERBS

_MINUTES_MAX: Final = 1_440
_REWARD_MAX: Final = 1_000_000
_STEPS_MAX: Final = 8
_NAME_MAX: Final = 100
_WORDS_MAX: Final = 200
_OBJECTIVES_MAX: Final = 6
_CHANGES_MAX: Final = 6
_UNSAID: Final = "…"
CHOICES_MAX: Final = 240
"""The most values of one enumeration; servers refuse schemas with very many."""


def _asked(description: str | None = None, **bounds: int) -> Any:
    """A field with the bounds that a model is asked to keep. What it writes beyond them is cut when it is read."""
    return Field(description=description, json_schema_extra={**bounds})


class _Shape(BaseModel):
    """A lenient shape: unknown fields are reported and dropped, texts and numbers may be out of bounds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)


class ProposedStep(_Shape):
    """One thing to do."""

    verb: Annotated[str, Field(json_schema_extra={"enum": list(DEED_VERBS)})]
    target: Annotated[str, Field(description="npc:<id>, faction:<id>, the id of a thing, or of a place to reach")]
    district: Annotated[str | None, Field(description="the id of the place")] = None
    count: int = 1
    within_minutes: Annotated[int | None, Field(description="only where it has to be done that soon")] = None


class ProposedChange(_Shape):
    """What the mission does to the player's standing with a faction, −20..20."""

    faction: str
    change: int


class ProposedFriction(_Shape):
    """What it does to what faction ``one`` thinks of ``other``, −20..20."""

    one: str
    other: str
    change: int


class MissionProposal(_Shape):
    """A mission for one player and their party."""

    title: Annotated[str, _asked(f"at most {TITLE_MAX} characters", maxLength=TITLE_MAX)]
    description: Annotated[
        str, _asked(f"the giver's words, at most {DESCRIPTION_MAX} characters, no sums", maxLength=DESCRIPTION_MAX)
    ]
    objectives: Annotated[
        list[ProposedStep], _asked(f"1 to {_OBJECTIVES_MAX}, in their order", minItems=1, maxItems=_OBJECTIVES_MAX)
    ]
    difficulty: int = 1
    minutes: int = 30
    reward: Annotated[int, Field(description="dollars")] = 0
    impact: Annotated[list[ProposedChange], _asked(maxItems=_CHANGES_MAX)] = []
    frictions: Annotated[list[ProposedFriction], _asked(maxItems=_CHANGES_MAX)] = []


class MoveChoice(_Shape):
    """One of the legal moves by its number, and what it sounds like."""

    move: Annotated[int, Field(description="the number of a legal move")]
    words: Annotated[
        str, _asked(f"one sentence as the faction would say it, at most {_WORDS_MAX} characters", maxLength=_WORDS_MAX)
    ] = ""


def proposed_mission(
    proposal: MissionProposal, player: str, party: int, asked_s: float
) -> tuple[ProposeMission | None, tuple[Problem, ...]]:
    """The command that proposes a mission to the NPC, and the problems found; None where nothing of it is usable.
    ``asked_s``: the ``asked_s`` of the outline it was made from."""
    notes: list[Problem] = [*_strangers(proposal)]
    steps = tuple(_steps(proposal.objectives, notes))
    if not steps:
        return None, (*notes, Problem("no_objectives", "objectives", "nothing that can be done"))
    command = ProposeMission(
        player=player,
        title=_seen(proposal.title, TITLE_MAX) or _UNSAID,
        description=_seen(proposal.description, DESCRIPTION_MAX) or _UNSAID,
        objectives=steps,
        difficulty=_within(proposal.difficulty, 1, 10),
        minutes=_within(proposal.minutes, 1, _MINUTES_MAX),
        reward=_within(proposal.reward, 0, _REWARD_MAX),
        impact=dict(_first({c.faction: c.change for c in proposal.impact if is_slug(c.faction)})),
        frictions=dict(_first({f"{f.one}>{f.other}": f.change for f in proposal.frictions if _is_pair(f)})),
        party=_within(party, 1, 8),
        origin="model",
        asked_s=asked_s,
        notes=tuple(clipped(str(note), 200) for note in notes[:16]),
    )
    return command, tuple(notes)


def _seen(text: str, length_max: int) -> str:
    """A text for a screen; empty where nobody would see any of it."""
    shown = cleaned(text, length_max)
    return shown if shown and is_worded(shown) else ""


def _strangers(proposal: MissionProposal) -> Iterator[Problem]:
    """The problems of unknown fields: items, weapons, ranks and whatever else a model may try to give away."""
    for name in [*(proposal.model_extra or {})][:16]:
        where = cleaned(name, 40) or "a field without a name"
        yield Problem("not_for_sale", where, "the rules know nothing of that", "left out")


def _steps(steps: Iterable[ProposedStep], notes: list[Problem]) -> Iterator[ProposedObjective]:
    taken = 0
    for place, step in enumerate(steps):
        where, target = f"objectives.{place}", _seen(step.target, _NAME_MAX)
        if step.verb not in DEED_VERBS or not target:
            notes.append(Problem("unknown_verb", where, f"no objective is {cleaned(step.verb, 40)!r}", "left out"))
        elif taken == _STEPS_MAX:
            notes.append(Problem("too_many", where, f"more than {_STEPS_MAX}", "left out"))
        else:
            taken += 1
            yield ProposedObjective(
                step.verb,
                target,
                _within(step.count, 1, COUNT_MAX),
                _seen(step.district, _NAME_MAX) or None if step.district else None,
                None if step.within_minutes is None else _within(step.within_minutes, 1, _MINUTES_MAX),
            )


def _first(changes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for name in [*changes][:_STEPS_MAX]:
        yield name, _within(changes[name], -20, 20)


def _is_pair(friction: ProposedFriction) -> bool:
    return is_slug(friction.one) and is_slug(friction.other) and len(friction.one + friction.other) < _NAME_MAX


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def chosen_move(choice: MoveChoice, outlook: Mapping[str, Any]) -> tuple[MakeMove | None, str]:
    """The command for a choice among the moves of an outlook (``ListMoves``), which are numbered from 1; None and the
    reason where it is none of them.

    The faction checks again that the move is still legal when the command arrives.
    """
    moves = outlook["moves"]
    if not 1 <= choice.move <= len(moves):
        return None, f"{choice.move} is none of the {len(moves)} legal moves"
    legal = moves[choice.move - 1]
    words = cleaned(choice.words, _WORDS_MAX)
    words = "" if promises(words) else words
    return MakeMove(legal["move"], legal["other"], legal["district"], words, outlook["for_turn"]), ""


def numbered(outlook: Mapping[str, Any]) -> dict[str, Any]:
    """An outlook with the number of each legal move, from 1."""
    return {**outlook, "moves": [{"no": no, **move} for no, move in enumerate(outlook["moves"], 1)]}


def move_schema(outlook: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a choice in which only the numbers of the legal moves can be chosen."""
    schema = MoveChoice.model_json_schema()
    schema["properties"]["move"]["enum"] = [*range(1, len(outlook["moves"]) + 1)]
    return schema


def mission_schema(outline: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a proposal in which only people, things, factions and places of an outline can be chosen; the
    nearest where there are very many."""
    places = [place["id"] for place in outline["places"]]
    factions = [*dict.fromkeys(_factions_of(outline))]
    targets = [*outline["things_anywhere"], *(f"faction:{name}" for name in factions)]
    targets += [name for place in outline["places"] for name in (place["id"], *place["people"], *place["things"])]
    schema = MissionProposal.model_json_schema()
    step, change, friction = (
        schema["$defs"][name]["properties"] for name in ("ProposedStep", "ProposedChange", "ProposedFriction")
    )
    chosen = [(step["target"], targets), (step["district"]["anyOf"][0], places), (change["faction"], factions)]
    chosen += [(friction["one"], factions), (friction["other"], factions)]
    for field, choices in chosen:
        if choices:
            field["enum"] = [*dict.fromkeys(choices)][:CHOICES_MAX]
    return schema


def _factions_of(outline: Mapping[str, Any]) -> Iterator[str]:
    own = outline.get("faction") or {}
    yield from (own[name] for name in ("id",) if name in own)
    yield from own.get("relations", {})
    yield from (place["held_by"] for place in outline["places"] if place.get("held_by"))


def context_text(context: Mapping[str, Any]) -> str:
    """The outline of work or the outlook of a faction for a prompt: compact JSON of the world's own ids and names,
    without anything that a player wrote."""
    return json.dumps(context, ensure_ascii=False, separators=(",", ":"))
