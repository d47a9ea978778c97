"""What a model may answer in a conversation: words to say and typed actions, nothing else.

The shape is checked here, right and means by the rules of ``domain.mind.actions``. Anything else in an answer (a
reward, a number, another field, an action that is none) is left out and noted: no field lets a model move money, items,
loyalty or a relation by itself, and nobody is left without an answer because of a technicality.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from ganggpt.domain.fields import is_worded
from ganggpt.domain.language.words import clipped
from ganggpt.domain.mind.actions import (
    ACTION_WORDS,
    ACTIONS_MAX,
    Action,
    Attack,
    CallPolice,
    Decline,
    Flee,
    Follow,
    GiveItem,
    OfferMission,
)

SAY_MAX: Final = 1_000
"""The most characters that are read of what a model says in one answer."""
ASKED_SAY_MAX: Final = 320
"""The most characters the schema lets it say: some four sentences. A model that repeats itself is stopped there."""
ASKED_NAME_MAX: Final = 40
"""The most characters of a name that the schema lets it write where there is no list to choose from."""
_NOTE_MAX: Final = 40
_NOTES_MAX: Final = 8


Words = Annotated[str, StringConstraints(min_length=1, max_length=SAY_MAX)]
Doing = Annotated[Follow | Attack | Flee | GiveItem | CallPolice | OfferMission | Decline, Field(discriminator="do")]


class ModelAnswer(BaseModel):
    """One answer of a model: its words (first, so that they can be streamed while the rest is written) and its
    actions. ``misshapen``: what was left out of it, for people."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    say: Words
    actions: Annotated[list[Doing], Field(max_length=ACTIONS_MAX)] = []
    misshapen: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _only_what_counts(cls, written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        notes = [f"{str(name)[:_NOTE_MAX]}: no such field" for name in written if name not in ("say", "actions")]
        kept: dict[str, Any] = {}
        if "say" in written:
            kept["say"] = _one_line(written["say"], notes)
        wanted = written.get("actions")
        kept["actions"] = _doings(wanted if isinstance(wanted, list) else [], notes)
        return {**kept, "misshapen": tuple(notes[:_NOTES_MAX])}

    @classmethod
    def of_words(cls, text: str) -> ModelAnswer:
        """The answer of a model that answered in plain words. Raises ValidationError where there are none."""
        return cls.model_validate({"say": text})

    @property
    def doings(self) -> tuple[Action, ...]:
        """The actions as the rules take them."""
        return tuple(self.actions)

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The schema to ask a provider for: closed objects, every field required and no discriminator, as structured
        outputs want it. What it cannot say (lengths) is checked when the answer is read."""
        return _SCHEMA


_DOING: Final[TypeAdapter[Action]] = TypeAdapter(Doing, config=ConfigDict(extra="forbid"))


def _one_line(said: Any, notes: list[str]) -> Any:
    """Words without line ends and control characters, cut at the bound."""
    if not isinstance(said, str):
        return said
    line = " ".join("".join(mark if is_worded(mark) else " " for mark in said).split())
    if len(line) > SAY_MAX:
        notes.append(f"say: cut from {len(line)} to {SAY_MAX} characters")
    return clipped(line, SAY_MAX)


def _doings(wanted: list[Any], notes: list[str]) -> list[Action]:
    """The actions that are some; the others are noted."""
    kept: list[Action] = []
    for one in wanted:
        try:
            kept.append(_DOING.validate_json(json.dumps(one), strict=True))
        except ValidationError:
            named = one.get("do") if isinstance(one, dict) else one
            notes.append(f"actions: {str(named)[:_NOTE_MAX]!r} is no action of its form")
    if len(kept) > ACTIONS_MAX:
        notes.append(f"actions: {len(kept)}, of which {ACTIONS_MAX} count")
    return kept[:ACTIONS_MAX]


_TELLS: Final = {"item": "a thing you hold", "target": "whom: a name, or player", "mission": "id of a job, or empty"}
_FIELD_OF: Final = {"attack": "target", "give": "item", "offer_mission": "mission"}
"""The one field that some actions have."""


def schema_for(open_actions: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The schema of an answer in which only these actions can be chosen, each with one of its choices where it has
    some; closed objects, every field required and no discriminator, as structured outputs want it."""
    options = [_option(do, choices) for do, choices in open_actions.items()]
    actions = {"type": "array", "maxItems": ACTIONS_MAX, "description": "usually empty", "items": {"anyOf": options}}
    return {
        "type": "object",
        "properties": {
            "say": {
                "type": "string",
                "description": "one to three short sentences, spoken",
                "minLength": 1,
                "maxLength": ASKED_SAY_MAX,
            },
            "actions": actions,
        },
        "required": ["say", "actions"],
        "additionalProperties": False,
    }


def _option(do: str, choices: tuple[str, ...]) -> dict[str, Any]:
    properties: dict[str, Any] = {"do": {"type": "string", "enum": [do]}}
    field = _FIELD_OF.get(do)
    if field is not None:
        properties[field] = {
            "type": "string",
            "description": _TELLS[field],
            **({"enum": [*choices]} if choices else {"maxLength": ASKED_NAME_MAX}),
        }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


_SCHEMA: Final[dict[str, Any]] = schema_for(dict.fromkeys(sorted(ACTION_WORDS), ()))
