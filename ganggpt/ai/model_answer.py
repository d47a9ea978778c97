"""What a model may answer in a conversation: words to say and typed actions, nothing else.

The shape is checked here, right and means by the rules of ``domain.mind.actions``. Anything else in an answer (a
reward, a number, another field) makes it invalid as a whole: no field lets a model move money, items, loyalty or a
relation by itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ganggpt.domain.fields import is_worded
from ganggpt.domain.mind.actions import (
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
"""The most characters a model may say in one answer."""


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    if not text or not is_worded(text):
        raise ValueError("it is empty or has control characters")
    return text


Words = Annotated[str, StringConstraints(min_length=1, max_length=SAY_MAX), AfterValidator(_one_line)]
Doing = Annotated[Follow | Attack | Flee | GiveItem | CallPolice | OfferMission | Decline, Field(discriminator="do")]


class ModelAnswer(BaseModel):
    """One answer of a model: its words (first, so that they can be streamed while the rest is written) and its
    actions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    say: Words
    actions: Annotated[list[Doing], Field(max_length=ACTIONS_MAX)] = []

    @property
    def doings(self) -> tuple[Action, ...]:
        """The actions as the rules take them."""
        return tuple(self.actions)

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The schema to ask a provider for: closed objects, every field required and no discriminator, as structured
        outputs want it. What it cannot say (lengths) is checked when the answer is read."""
        return _SCHEMA


_TELLS: Final = {"item": "a thing you hold", "target": "player", "mission": "id of one of your missions, or empty"}


def _option(action: type[Any], *fields: str) -> dict[str, Any]:
    do = {"type": "string", "enum": [action.__dataclass_fields__["do"].default]}
    properties = {"do": do, **{name: {"type": "string", "description": _TELLS[name]} for name in fields}}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_OPTIONS: Final = [
    _option(Follow),
    _option(Attack, "target"),
    _option(Flee),
    _option(GiveItem, "item"),
    _option(CallPolice),
    _option(OfferMission, "mission"),
    _option(Decline),
]
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "say": {"type": "string", "description": "one to three short sentences, spoken"},
        "actions": {"type": "array", "items": {"anyOf": _OPTIONS}, "description": "usually empty, at most three"},
    },
    "required": ["say", "actions"],
    "additionalProperties": False,
}
